// Where a worker's log lines go. Pure.
#pragma once

#include <string_view>

namespace enduring::http {

/// Never waits. Used in the worker's thread only.
class LogSink {
  public:
    /// A whole line, with its end; false, and it is counted as dropped, if there is no room.
    virtual bool put(std::string_view line) noexcept = 0;
    /// Counts a line that could not even be made.
    virtual void drop() noexcept = 0;

  protected:
    ~LogSink() = default;
};

}  // namespace enduring::http
