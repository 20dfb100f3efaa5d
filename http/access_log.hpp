// The access log's target and the thread that writes to it. Workers hand lines over and never wait:
// what a slow target cannot take is dropped and counted, and so is what it refuses.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "core/result.hpp"
#include "http/log_channel.hpp"

namespace enduring::http {

/// Made and ended by one thread; what is documented so may be called from any.
class AccessLog {
  public:
    /// What each worker may be ahead of the target.
    static constexpr std::size_t channel_bytes_default = 1 << 20;

    /// Whether a target is standard output: "stdout", "-", or a path that means it.
    [[nodiscard]] static bool is_standard_output(std::string_view target) noexcept;

    /// target: standard output, or the path of a file that is written at its end, or of a pipe that
    /// somebody reads. A file that does not exist is made at the start. The error says why it
    /// cannot be opened, or made.
    static core::Result<std::unique_ptr<AccessLog>> open(
        std::string target, unsigned workers, std::size_t channel_bytes = channel_bytes_default);

    /// Stops, if that has not been done.
    ~AccessLog();
    AccessLog(const AccessLog&) = delete;
    AccessLog& operator=(const AccessLog&) = delete;

    /// To be filled by this worker only.
    [[nodiscard]] LogChannel& channel(unsigned worker) noexcept;

    /// Starts the thread, in which all signals are blocked.
    core::Result<void> start();
    /// Writes to a new file of the same path from soon on: the old one was renamed. Without effect
    /// on standard output. From any thread.
    void reopen() noexcept;
    /// Writes what is there, as far as the target takes it within the patience, and ends; what is
    /// left is counted as dropped. A target that holds the thread longer is left with it.
    void stop(std::chrono::milliseconds patience = std::chrono::seconds(1)) noexcept;

    /// Lines that the target has taken, from any thread.
    [[nodiscard]] std::uint64_t written() const noexcept;
    /// Lines that were dropped since it was slow, or that it refused; from any thread.
    [[nodiscard]] std::uint64_t dropped() const noexcept;

  private:
    class Writer;

    explicit AccessLog(std::shared_ptr<Writer> writer);

    std::shared_ptr<Writer> writer_;  // the thread's as well, which may outlive this
    std::thread thread_;
};

}  // namespace enduring::http
