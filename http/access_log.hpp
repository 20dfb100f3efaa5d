// The access log's target and the thread that writes to it. Workers hand lines over and never wait:
// what a slow target cannot take is dropped and counted, and so is what it refuses.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/result.hpp"
#include "http/log_channel.hpp"

namespace enduring::http {

/// Made and ended by one thread; what is documented so may be called from any.
class AccessLog {
  public:
    /// Whatever is written as this goes to standard output.
    static constexpr std::string_view standard_output = "stdout";
    /// What each worker may be ahead of the target.
    static constexpr std::size_t channel_bytes_default = 1 << 20;

    /// target: standard_output, or the path of a file, which is made if there is none and written
    /// at its end. The error says why it cannot be opened.
    static core::Result<std::unique_ptr<AccessLog>> open(
        std::string target, unsigned workers, std::size_t channel_bytes = channel_bytes_default);

    /// Stops, if that has not been done.
    ~AccessLog();
    AccessLog(const AccessLog&) = delete;
    AccessLog& operator=(const AccessLog&) = delete;

    /// To be filled by this worker only.
    [[nodiscard]] LogChannel& channel(unsigned worker) noexcept { return *channels_[worker]; }

    /// Starts the thread, in which all signals are blocked.
    core::Result<void> start();
    /// Writes to a new file of the same path from soon on: the old one was renamed. Without effect
    /// on standard output. From any thread.
    void reopen() noexcept;
    /// Writes what is there, as far as the target takes it within the patience, and ends.
    void stop(std::chrono::milliseconds patience = std::chrono::seconds(1)) noexcept;

    /// Lines that the target has taken, from any thread.
    [[nodiscard]] std::uint64_t written() const noexcept { return written_; }
    /// Lines that were dropped since it was slow, or that it refused; from any thread.
    [[nodiscard]] std::uint64_t dropped() const noexcept;

  private:
    using Clock = std::chrono::steady_clock;

    AccessLog(std::string target, int descriptor, unsigned workers, std::size_t channel_bytes);
    void run() noexcept;
    bool take_all();
    void write(std::string_view text) noexcept;
    [[nodiscard]] int await_room() const noexcept;
    [[nodiscard]] std::size_t write_size(std::string_view text) const noexcept;
    void lose(std::string_view text, int error) noexcept;
    void tell_of_losses() noexcept;
    void open_again() noexcept;
    void look_at_target() noexcept;
    [[nodiscard]] bool anything_wanted() const noexcept;

    std::string target_;
    int descriptor_;
    bool by_page_ = false;   // not a file: it is asked whether it has room, for a page
    bool cut_line_ = false;  // the last line was not written to its end
    Bell bell_;
    std::vector<std::unique_ptr<LogChannel>> channels_;
    std::string text_;  // what is being written
    std::thread thread_;
    std::atomic<bool> reopens_ = false;
    std::atomic<bool> stops_ = false;
    std::atomic<Clock::time_point> give_up_at_ = Clock::time_point::max();
    std::atomic<std::uint64_t> written_ = 0;
    std::atomic<std::uint64_t> lost_ = 0;
    // For what is told of losses.
    int last_error_ = 0;
    std::uint64_t told_ = 0;
    Clock::time_point may_tell_at_{};
};

}  // namespace enduring::http
