// Handlers that are coroutines, and what they await. Pure.
#pragma once

#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "core/check.hpp"
#include "http/coroutines.hpp"
#include "http/handler.hpp"
#include "http/mailbox.hpp"
#include "http/request.hpp"
#include "http/request_content.hpp"
#include "http/responder.hpp"
#include "http/response_stream.hpp"
#include "http/task.hpp"
#include "http/timers.hpp"

namespace enduring::http {

namespace detail {

/// The parameters of a function, or of an object that is called in one way only.
template <class Function>
struct Parameters {};
template <class Function>
    requires requires { &Function::operator(); }
struct Parameters<Function> : Parameters<decltype(&Function::operator())> {};
template <class Result, class... Types>
struct Parameters<Result (*)(Types...)> {
    static constexpr bool are_values = (!std::is_reference_v<Types> && ...);
};
template <class Result, class... Types>
struct Parameters<Result (*)(Types...) noexcept> : Parameters<Result (*)(Types...)> {};
template <class Result, class Class, class... Types>
struct Parameters<Result (Class::*)(Types...) const> : Parameters<Result (*)(Types...)> {};
template <class Result, class Class, class... Types>
struct Parameters<Result (Class::*)(Types...) const noexcept> : Parameters<Result (*)(Types...)> {};

template <class Function>
concept HasKnownParameters = requires { Parameters<Function>::are_values; };

}  // namespace detail

/// A function that gives a coroutine for each request. It takes the request by value: what the
/// request shows is valid until the coroutine waits for the first time, and not after.
template <class Function>
concept CoroutineFunction =
    std::copy_constructible<Function> &&
    std::is_invocable_r_v<Task<void>, const Function&, const Request&, Responder>;

/// Makes a handler of such a function. The coroutine runs in its worker's thread, from what it
/// awaits to what it awaits next, and must not block. If the exchange ends before it is answered
/// (the connection is gone, or a time-out or a limit has ended it), or the worker ends, the
/// coroutine is destroyed where it waits: what its variables hold is released, and nothing after
/// it runs. It may go on after its answer. One that throws, or ends unanswered, answers 500, or
/// cuts the connection if a response has begun.
///
/// A lambda's captures live in the router. Parameters that are references are refused where they
/// can be seen, which they cannot in a generic or overloaded function object.
template <CoroutineFunction Function>
[[nodiscard]] Handler coroutine(Function function) {
    if constexpr (detail::HasKnownParameters<Function>) {
        static_assert(detail::Parameters<Function>::are_values,
                      "a coroutine takes request and responder by value: what references refer to "
                      "is gone when it has waited");
    }
    return [function = std::move(function)](const Request& request, Responder responder) {
        Coroutines& coroutines = responder.coroutines();
        coroutines.serve(function, request, std::move(responder));
    };
}

class [[nodiscard]] Sleep : public detail::Awaitable {
  public:
    explicit Sleep(std::chrono::milliseconds time) noexcept : time_(time) {}
    ~Sleep() {
        if (timers_ != nullptr) {
            timers_->cancel(timer_);
        }
    }
    Sleep(const Sleep&) = delete;
    Sleep& operator=(const Sleep&) = delete;

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> handle) {
        const Suspended suspended = handle.promise().suspend(handle);
        Timers& timers = suspended.home->timers();
        timer_ = timers.after(time_, [suspended] { suspended.home->resume(suspended); });
        timers_ = &timers;
    }
    void await_resume() noexcept { timers_ = nullptr; }

  private:
    std::chrono::milliseconds time_;
    Timers* timers_ = nullptr;  // null: no timer waits
    Timers::Id timer_;
};

/// co_await sleep_for(time): waits so long, as Timers::after() does.
[[nodiscard]] inline Sleep sleep_for(std::chrono::milliseconds time) noexcept {
    return Sleep(time);
}

/// Awaiting a Completion that was dropped throws this.
class Abandoned : public std::runtime_error {
  public:
    Abandoned() : std::runtime_error("what a coroutine awaited has been given up") {}
};

namespace detail {

/// What came of what a coroutine awaits; neither: it was given up.
template <class Value>
struct Outcome {
    std::optional<Value> value{};
    std::exception_ptr error{};
};
template <>
struct Outcome<void> : Outcome<std::monostate> {};

}  // namespace detail

/// The right and duty to give a coroutine what it awaits, from any thread; see completed(). May be
/// moved to any thread and used there, by one at a time; also when the coroutine, or its server,
/// has gone. One that is destroyed unset gives Abandoned.
template <class Value>
class Completion {
  public:
    using Result = detail::Outcome<Value>;

    Completion(std::shared_ptr<Mailbox> mailbox, const Suspended& suspended,
               Result& result) noexcept
        : mailbox_(std::move(mailbox)), suspended_(suspended), result_(&result) {}
    Completion(Completion&&) noexcept = default;
    Completion& operator=(Completion&& other) noexcept {
        if (this != &other) {
            const Completion dropped(std::move(*this));
            mailbox_ = std::move(other.mailbox_);
            suspended_ = other.suspended_;
            result_ = other.result_;
        }
        return *this;
    }
    ~Completion() {
        if (mailbox_ != nullptr) {
            abandon();
        }
    }

    /// Once, or fail(); a second time is a bug and aborts. The value is destroyed if nobody waits
    /// any more.
    template <class Given = Value>
        requires(!std::is_void_v<Value>)
    void set(Given&& value) {
        give({.value = static_cast<Value>(std::forward<Given>(value))});
    }
    void set()
        requires(std::is_void_v<Value>)
    {
        give({{.value = std::monostate()}});
    }
    /// Awaiting throws this.
    void fail(std::exception_ptr error) {
        Result result;
        result.error = std::move(error);
        give(std::move(result));
    }

  private:
    // Without memory nobody can be told: the coroutine then waits until its exchange or worker
    // ends.
    void abandon() noexcept {
        try {
            give({});
        } catch (const std::bad_alloc&) {
            suspended_ = {};
        }
    }
    void give(Result result) {
        ENDURING_CHECK(mailbox_ != nullptr, "what a coroutine awaits was set twice");
        // Run in the worker's thread, if the worker is still there.
        mailbox_->post(
            [suspended = suspended_, slot = result_, result = std::move(result)]() mutable {
                if (suspended.home->waits(suspended)) {
                    *slot = std::move(result);
                    suspended.home->resume(suspended);
                }
            });
        mailbox_ = nullptr;  // not before: if it threw, the duty is still here
    }

    std::shared_ptr<Mailbox> mailbox_;  // null: set, or moved away
    Suspended suspended_;
    Result* result_;  // in the coroutine's frame: valid while that waits
};

template <class Value, std::invocable<Completion<Value>> Start>
class [[nodiscard]] Completed : public detail::Awaitable {
  public:
    explicit Completed(Start start) : start_(std::move(start)) {}
    Completed(const Completed&) = delete;
    Completed& operator=(const Completed&) = delete;

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> handle) {
        const Suspended suspended = handle.promise().suspend(handle);
        const std::shared_ptr<Mailbox>& mailbox = suspended.home->mailbox();
        ENDURING_CHECK(mailbox != nullptr, "nothing takes answers from other threads");
        start_(Completion<Value>(mailbox, suspended, result_));
    }
    Value await_resume() {
        if (result_.error) {
            std::rethrow_exception(std::move(result_.error));
        }
        if (!result_.value) {
            throw Abandoned();
        }
        if constexpr (!std::is_void_v<Value>) {
            return std::move(*result_.value);
        }
    }

  private:
    Start start_;
    detail::Outcome<Value> result_;
};

/// co_await completed<Value>(start): calls start with a Completion, which it moves to whoever will
/// set it: another thread, a pool, a client library's callback. Gives the value; Value may be void.
template <class Value, std::invocable<Completion<Value>> Start>
[[nodiscard]] Completed<Value, Start> completed(Start start) {
    return Completed<Value, Start>(std::move(start));
}

namespace detail {

/// What a ContentReader and the exchange share: each may end before the other.
struct ContentState {
    RequestContent content;
    Suspended waiting{};       ///< who waits for a piece
    std::string_view piece{};  ///< that came
    bool begun = false;
    bool paused = false;
    bool last = false;  ///< the content is complete
    bool over = false;  ///< nobody gives pieces any more

    /// The next piece, or the end, resumes it.
    static void await(const std::shared_ptr<ContentState>& state, const Suspended& waiting);
    void take(std::string_view new_piece, bool is_last);
    /// No piece will come: who waits for one is destroyed.
    void drop() noexcept;
};

}  // namespace detail

/// A request's content, piece by piece, for routes with ContentMode::streamed. While a coroutine
/// waits for something else, little more is received (Limits::held_bytes_max), and the client's
/// time does not run. One reader for a content. A coroutine that waits for a piece which cannot
/// come any more, since the request has been answered or given up, is destroyed.
class ContentReader {
  public:
    explicit ContentReader(const RequestContent& content)
        : state_(std::make_shared<detail::ContentState>(content)) {}

    class [[nodiscard]] Next : public detail::Awaitable {
      public:
        explicit Next(detail::ContentState& state,
                      const std::shared_ptr<detail::ContentState>& shared) noexcept
            : state_(state), shared_(shared) {}

        [[nodiscard]] bool await_ready() const noexcept { return state_.last; }
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> handle) const {
            detail::ContentState::await(shared_, handle.promise().suspend(handle));
        }
        [[nodiscard]] std::optional<std::string_view> await_resume() const noexcept {
            const std::string_view piece = std::exchange(state_.piece, {});
            return piece.empty() ? std::nullopt : std::optional(piece);
        }

      private:
        detail::ContentState& state_;
        const std::shared_ptr<detail::ContentState>& shared_;
    };

    /// co_await next(): a piece, which is not empty, and is valid until the coroutine waits again;
    /// nothing when the content is complete.
    [[nodiscard]] Next next() const noexcept { return Next(*state_, state_); }

  private:
    std::shared_ptr<detail::ContentState> state_;
};

class [[nodiscard]] Write : public detail::Awaitable {
  public:
    Write(ResponseStream& stream, std::string_view bytes) noexcept
        : stream_(stream), bytes_(bytes) {}

    [[nodiscard]] bool await_ready() const { return stream_.write(bytes_) || !stream_.alive(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> handle) const {
        const Suspended suspended = handle.promise().suspend(handle);
        stream_.on_room([suspended] { suspended.home->resume(suspended); });
    }
    [[nodiscard]] bool await_resume() const noexcept { return stream_.alive(); }

  private:
    ResponseStream& stream_;
    std::string_view bytes_;
};

/// co_await write_to(stream, bytes): writes, and waits until there is room for more. Gives false
/// when nobody wants more, as ResponseStream::alive() does: the client has asked with HEAD. The
/// stream's on_room() is used for this.
[[nodiscard]] inline Write write_to(ResponseStream& stream, std::string_view bytes) noexcept {
    return {stream, bytes};
}

}  // namespace enduring::http
