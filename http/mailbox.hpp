// How other threads have a worker do something: they leave functions, it calls them in its thread.
// Pure.
#pragma once

#include <cstdint>
#include <functional>

namespace enduring::http {

/// post() may be called from any thread at any time, also when the worker has ended; the rest is
/// the worker's.
class Mailbox {
  public:
    using Function = std::move_only_function<void()>;

    virtual ~Mailbox() = default;

    /// Leaves a function, which the worker will call after those that were left before, or destroy
    /// uncalled if it ends first. False: the worker has ended, and the function has been destroyed.
    virtual bool post(Function function) = 0;

    /// There may be something to run.
    [[nodiscard]] virtual bool has_mail() const noexcept = 0;
    /// Calls what has been left until now. Gives how many ended with an exception, which ends
    /// there.
    virtual std::uint64_t run() = 0;
    /// Destroys what waits, and takes nothing any more.
    virtual void close() = 0;
};

}  // namespace enduring::http
