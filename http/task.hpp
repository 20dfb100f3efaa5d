// What a coroutine gives back that a handler is, or that a handler awaits. Pure.
#pragma once

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/check.hpp"
#include "http/frame_pool.hpp"

namespace enduring::http {

class Coroutines;

/// What a coroutine that waits is resumed by: see Coroutines::resume(). Harmless when it has gone
/// meanwhile, or waits for something else.
struct Suspended {
    Coroutines* home = nullptr;        ///< of its worker; null: nothing
    std::uint64_t number = 0;          ///< of the handler's coroutine
    std::uint64_t wait = 0;            ///< how many times that had waited
    std::coroutine_handle<> handle{};  ///< the innermost of its tasks, the one that waits
};

namespace detail {

/// What a coroutine may await besides tasks: they know how it is resumed, and that it may go
/// before.
struct Awaitable {};

/// ... and this stands for one while it is awaited, since g++ 12 would copy it.
template <std::derived_from<Awaitable> Awaited>
struct Awaiting {
    Awaited& awaited;  ///< lives as long as the expression that awaits it

    [[nodiscard]] bool await_ready() const { return awaited.await_ready(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> handle) const {
        awaited.await_suspend(handle);
    }
    decltype(auto) await_resume() const { return awaited.await_resume(); }
};

/// Marks a Task.
struct Tasks {};

class TaskPromise {
  public:
    static void* operator new(std::size_t bytes) { return FramePool::allocate(bytes); }
    static void operator delete(void* frame) noexcept { FramePool::give_back(frame); }

    struct FinalAwaiter {
        [[nodiscard]] bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(
            std::coroutine_handle<Promise> finished) const noexcept {
            const std::coroutine_handle<> awaiting = finished.promise().awaiting_;
            return awaiting ? awaiting : std::noop_coroutine();
        }
        void await_resume() const noexcept {}
    };

    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] FinalAwaiter final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { error_ = std::current_exception(); }

    /// The coroutine belongs to a handler's: it is awaited by that, or is that itself.
    void begin(Coroutines* home, std::uint64_t number, std::coroutine_handle<> awaiting) noexcept {
        home_ = home;
        number_ = number;
        awaiting_ = awaiting;
    }
    /// It begins to wait.
    [[nodiscard]] Suspended suspend(std::coroutine_handle<> handle) const noexcept;

    template <class Awaited>
    [[nodiscard]] decltype(auto) await_transform(Awaited&& awaited) const noexcept {
        using Type = std::remove_cvref_t<Awaited>;
        if constexpr (std::is_base_of_v<Tasks, Type>) {
            return std::forward<Awaited>(awaited).operator co_await();
        } else {
            static_assert(std::is_base_of_v<Awaitable, Type>,
                          "a Task awaits tasks, sleep_for(), completed(), ContentReader::next() "
                          "and write_to(); what other libraries have is awaited through "
                          "completed()");
            return Awaiting<std::remove_reference_t<Awaited>>{awaited};
        }
    }
    [[nodiscard]] Coroutines* home() const noexcept { return home_; }
    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    void rethrow() const {
        if (error_) {
            std::rethrow_exception(error_);
        }
    }

  private:
    Coroutines* home_ = nullptr;
    std::uint64_t number_ = 0;
    std::coroutine_handle<> awaiting_;
    std::exception_ptr error_;
};

template <class Value>
class ValuePromise : public TaskPromise {
  public:
    void return_value(Value value) { value_.emplace(std::move(value)); }
    Value take() {
        rethrow();
        return std::move(*value_);
    }

  private:
    std::optional<Value> value_;
};

template <>
class ValuePromise<void> : public TaskPromise {
  public:
    void return_void() const noexcept {}
    void take() const { rethrow(); }
};

}  // namespace detail

/// A coroutine that has not begun yet, or waits. It begins when it is awaited by another, once, or
/// by the worker that it answers a request for (see coroutine()); what it returns or throws is what
/// awaiting it gives. Destroyed before its end, it destroys what the coroutine holds, where it
/// stands. Not thread-safe: it is created, runs and ends in its worker's thread.
///
/// Its frame comes from the worker's pool; what parameters and variables it has that are references
/// or views must outlive it.
template <class Value = void>
class [[nodiscard]] Task : detail::Tasks {
  public:
    class promise_type final : public detail::ValuePromise<Value> {
      public:
        Task get_return_object() noexcept {
            return Task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
    };

    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Task& operator=(Task&& other) noexcept {
        if (this != &other) {
            const Task dropped(std::move(*this));
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    ~Task() {
        if (handle_) {
            handle_.destroy();
        }
    }

    class Awaiter {
      public:
        explicit Awaiter(std::coroutine_handle<promise_type> awaited) noexcept
            : awaited_(awaited) {}

        [[nodiscard]] bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(
            std::coroutine_handle<Promise> awaiting) const noexcept {
            const detail::TaskPromise& promise = awaiting.promise();
            awaited_.promise().begin(promise.home(), promise.number(), awaiting);
            return awaited_;
        }
        Value await_resume() const { return awaited_.promise().take(); }

      private:
        std::coroutine_handle<promise_type> awaited_;
    };

    Awaiter operator co_await() && noexcept {
        ENDURING_CHECK(handle_ && !handle_.done(), "a task is awaited twice");
        return Awaiter(handle_);
    }

    /// For Coroutines.
    [[nodiscard]] std::coroutine_handle<promise_type> handle() const noexcept { return handle_; }

  private:
    explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}

    std::coroutine_handle<promise_type> handle_;
};

}  // namespace enduring::http
