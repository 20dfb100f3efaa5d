#include "simulation/chunks.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace enduring::simulation {

const char* Chunks::take(std::string_view& bytes, std::string& content) {
    constexpr std::size_t line_max = 18;  // sixteen digits
    while (!complete_ && !bytes.empty()) {
        if (left_ > 0) {
            const auto size =
                static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
            content.append(bytes.substr(0, size));
            bytes.remove_prefix(size);
            left_ -= size;
            continue;
        }
        line_.push_back(bytes.front());
        bytes.remove_prefix(1);
        if (line_.ends_with("\r\n")) {
            line_.resize(line_.size() - 2);
            if (const char* error = take_line()) {
                return error;
            }
            line_.clear();
        } else if (line_.size() > line_max) {
            return "the size of a chunk is wrong";
        }
    }
    return nullptr;
}

const char* Chunks::take_line() {
    if (in_chunk_) {
        in_chunk_ = false;
        return line_.empty() ? nullptr : "a chunk does not end where it should";
    }
    if (last_) {
        complete_ = true;
        return line_.empty() ? nullptr : "something follows the last chunk";
    }
    const char* end = line_.data() + line_.size();
    const auto [next, error] = std::from_chars(line_.data(), end, left_, 16);
    if (error != std::errc() || next != end) {
        return "the size of a chunk is wrong";
    }
    last_ = left_ == 0;
    in_chunk_ = !last_;
    return nullptr;
}

}  // namespace enduring::simulation
