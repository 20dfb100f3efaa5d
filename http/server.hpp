// The server: options and routes in, a running set of workers out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/address.hpp"
#include "core/counters.hpp"
#include "core/result.hpp"
#include "http/exchange_meter.hpp"
#include "http/gathering.hpp"
#include "http/options.hpp"
#include "http/router.hpp"

namespace enduring::http {

/// Made, started, drained, waited for. The functions may be called from any thread, one at a time;
/// drain() also while another thread is in wait().
class Server {
  public:
    /// Takes everything that the server needs: rings, memory, sockets. It listens from now on, and
    /// answers from start() on. The error says what is missing and what to do about it.
    static core::Result<std::unique_ptr<Server>> create(const Options& options, Router router);

    /// Drains and waits, if that has not been done.
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Starts the workers' threads. In them SIGPIPE is blocked, and so it is in programs that a
    /// handler starts, unless it is unblocked in the child (posix_spawnattr_setsigmask(3)).
    core::Result<void> start();

    /// After Options::drain_delay_ms: stops listening, closes idle connections, lets running
    /// exchanges finish, within Options::drain_timeout_ms. A further call ends the delay, or what
    /// is left, at once.
    void drain();

    /// What the server did, once it has ended.
    struct Outcome {
        std::uint32_t aborted = 0;  ///< connections that were cut because the drain took too long
        core::Counters counters{};  ///< of all workers together
        /// What was lent and had not come back; zeros but for a bug.
        std::uint64_t buffers_lent = 0;
        std::uint64_t inputs_lent = 0;
        std::uint64_t output_bytes = 0;
        std::uint64_t chunks_lent = 0;
        std::uint64_t log_lines_dropped = 0;  ///< of the access log, whose target was too slow
    };
    /// Waits until a drain has ended.
    Outcome wait();
    /// A drain has ended, so that wait() would not take long. From any thread.
    [[nodiscard]] bool ended() const noexcept;

    /// Where it listens: a port 0 is replaced by the one that the system chose.
    [[nodiscard]] std::vector<core::Address> addresses() const;
    /// Connections of each worker, those on their way to it included. From any thread; a moment
    /// old.
    [[nodiscard]] std::vector<std::uint32_t> connections() const;
    /// What was counted so far by all workers together. From any thread; a moment old.
    [[nodiscard]] core::Counters counters() const;
    /// The same of each worker.
    [[nodiscard]] std::vector<core::Counters> counters_of_workers() const;
    /// Answers of each worker, and how long exchanges took. From any thread; a moment old.
    [[nodiscard]] std::vector<ExchangeCounts> exchanges_of_workers() const;
    /// Handlers, and functions called later for them, that ended with an exception. From any
    /// thread.
    [[nodiscard]] std::uint64_t handlers_threw() const noexcept;
    [[nodiscard]] unsigned workers() const noexcept;
    /// Asks a worker to go through its connections, and to reply from its own thread; rows: how
    /// many it should list. From any thread, once the server was started. A worker that is busy
    /// replies late, one that has ended that nothing will come.
    void survey(unsigned worker, std::size_t rows, SurveyReply reply) const;
    /// It serves, and has not been told to stop. From any thread.
    [[nodiscard]] bool ready() const noexcept;
    /// The file of the access log was renamed: a new one is begun soon. From any thread.
    void reopen_log() noexcept;
    /// Lines of the access log, from any thread; nothing: there is none.
    struct LogCounts {
        std::uint64_t written = 0;
        std::uint64_t dropped = 0;
    };
    [[nodiscard]] std::optional<LogCounts> log_counts() const;
    /// Where it tells about itself, if it does.
    [[nodiscard]] std::optional<core::Address> admin_address() const;
    /// What was decided at the start, a line each.
    [[nodiscard]] const std::vector<std::string>& report() const noexcept { return report_; }

  private:
    struct Parts;
    explicit Server(std::unique_ptr<Parts> parts);
    static core::Result<std::unique_ptr<Server>> build(const Options& options, Router router);
    core::Result<void> start_worker(unsigned number);

    std::unique_ptr<Parts> parts_;
    std::vector<std::string> report_;
};

}  // namespace enduring::http
