-- Makes wrk send its requests in batches. The depth follows `--` on wrk's command line:
--   wrk -t1 -c64 -d2s -s pipeline.lua http://127.0.0.1:8080/ -- 16
-- wrk sees for itself how many requests a batch has, and counts each response.

local batch

function init(args)
    local depth = tonumber(args[1]) or 16
    local requests = {}
    for i = 1, depth do
        requests[i] = wrk.format()
    end
    batch = table.concat(requests)
end

function request()
    return batch
end
