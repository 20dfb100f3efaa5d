// One worker: a thread with its ring, its receive buffers, its protocol and its loop. Built by the
// thread that builds the server, so that what is missing is said before anything runs.
#pragma once

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "core/buffer_ring.hpp"
#include "core/heap.hpp"
#include "core/limits.hpp"
#include "core/loop.hpp"
#include "core/result.hpp"
#include "core/ring.hpp"

namespace enduring::core {

struct WorkerOptions {
    RingOptions ring{};
    std::uint32_t receive_buffers = 512;  ///< a power of two, at most 32768
    std::uint32_t receive_buffer_bytes = 16 * 1024;
    bool pin = false;  ///< to the processor of the worker's number
};

/// Not thread-safe, but for the numbers that are documented as such.
template <class ProtocolType>
class Worker {
  public:
    static Result<std::unique_ptr<Worker>> create(const WorkerOptions& options) {
        auto ring = Ring::open(options.ring);
        if (!ring) {
            return std::unexpected(ring.error());
        }
        std::unique_ptr<Worker> worker(new Worker(options, std::move(*ring)));
        if (auto attached = worker->buffers_.attach(*worker->ring_, 0); !attached) {
            return std::unexpected(attached.error());
        }
        return worker;
    }

    ~Worker() { join(); }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Builds the loop. The protocol is this worker's own.
    void prepare(std::unique_ptr<ProtocolType> protocol, LoopOptions options) {
        number_ = options.neighbours.worker;
        protocol_ = std::move(protocol);
        loop_ = std::make_unique<Loop<Ring, ProtocolType>>(*ring_, buffers_, *protocol_,
                                                           std::move(options));
    }

    /// Starts the thread; gives when the ring is the thread's own.
    Result<void> start() {
        std::future<Result<void>> outcome = enabled_.get_future();
        const auto live = [this] {
            if (options_.pin) {
                pin_to_processor(number_);
            }
            Result<void> result = ring_->enable();
            const bool good = result.has_value();
            enabled_.set_value(std::move(result));
            if (good) {
                run();
            }
            ended_.store(true, std::memory_order_release);
        };
        try {
            thread_ = std::thread(live);
        } catch (const std::system_error& error) {
            return fail(std::string("a worker's thread cannot be started: ") + error.what(),
                        "raise the limit of processes (ulimit -u, --pids-limit), or give fewer "
                        "--workers");
        }
        return outcome.get();
    }

    /// The thread runs, or has run.
    [[nodiscard]] bool started() const noexcept { return thread_.joinable(); }
    /// The thread has nothing left to do: join() does not take long. From any thread.
    [[nodiscard]] bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }
    void join() {
        if (thread_.joinable()) {
            thread_.join();
        }
    }

    [[nodiscard]] int ring_descriptor() const noexcept { return ring_->descriptor(); }
    [[nodiscard]] std::string features() const { return ring_->features(); }
    /// To add listeners before start(), and to read the outcome after join().
    [[nodiscard]] Loop<Ring, ProtocolType>& loop() noexcept { return *loop_; }
    /// As of Ring::overflows(); in the worker's thread.
    [[nodiscard]] std::uint32_t overflows() const noexcept { return ring_->overflows(); }
    [[nodiscard]] const BufferRing& buffers() const noexcept { return buffers_; }
    [[nodiscard]] ProtocolType& protocol() noexcept { return *protocol_; }

  private:
    Worker(const WorkerOptions& options, std::unique_ptr<Ring> ring)
        : options_(options),
          buffers_(options.receive_buffers, options.receive_buffer_bytes),
          ring_(std::move(ring)) {}

    // Until a drain has ended. The first worker looks after the heap for all.
    void run() {
        HeapTrimmer heap;
        while (!loop_->finished()) {
            const std::uint64_t before = loop_->counters().completions;
            loop_->turn(heap.next_ms());
            const bool idle = loop_->counters().completions == before;
            if (number_ == 0 && !(idle && loop_->now_ms() < heap.next_ms())) {
                heap.on_turn(loop_->now_ms(), idle);
            }
        }
        protocol_->end();
    }

    WorkerOptions options_;
    unsigned number_ = 0;
    BufferRing buffers_;  // the ring refers to it, so it goes last
    std::unique_ptr<Ring> ring_;
    std::unique_ptr<ProtocolType> protocol_;
    std::unique_ptr<Loop<Ring, ProtocolType>> loop_;
    std::atomic<bool> ended_ = false;
    std::promise<Result<void>> enabled_;  // whether the thread has its ring
    std::thread thread_;
};

}  // namespace enduring::core
