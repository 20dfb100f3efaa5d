// The simulated kernel behind the interface of core::Ring: reads the real submissions, checks them,
// carries them out on the virtual network in virtual time, and draws what goes wrong.
#pragma once

#include <liburing.h>
#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "core/result.hpp"
#include "core/ring.hpp"
#include "simulation/buffers.hpp"
#include "simulation/faults.hpp"
#include "simulation/network.hpp"
#include "simulation/timeline.hpp"

namespace enduring::simulation {

/// The process stands still from a moment on, while all else goes on.
struct Stop {
    std::uint64_t at_us;
    std::uint64_t length_us;
};

struct RingPlan {
    std::uint32_t submissions = 64;
    std::uint32_t completions = 256;
    std::uint64_t clock_base_ms = 0;
    std::uint64_t lateness_us_max = 0;
    std::vector<Stop> stops{};
};

/// Who else lives in virtual time.
class Actors {
  public:
    virtual void on_event(const Timeline::Entry& entry) = 0;

  protected:
    ~Actors() = default;
};

/// Not thread-safe.
class Ring {
  public:
    Ring(const RingPlan& plan, Timeline& timeline, Network& network, Faults& faults,
         Actors& actors);

    // As core::Ring.
    [[nodiscard]] std::uint32_t sqe_room() const noexcept {
        return plan_.submissions - static_cast<std::uint32_t>(submissions_.size());
    }
    io_uring_sqe& take_sqe();
    int submit();
    int submit_and_wait(std::optional<std::uint64_t> timeout_ms, std::uint32_t completions = 1);
    template <class Take>
    unsigned drain(Take&& take) {
        // As in the kernel's queue, places become free only at the end.
        unsigned count = 0;
        while (head_ + count < completions_.size()) {
            const core::Completion completion = completions_[head_ + count];
            see(completion);
            if (!take(completion)) {
                break;
            }
            ++count;
        }
        head_ += count;
        if (head_ == completions_.size()) {
            completions_.clear();
            head_ = 0;
        }
        return count;
    }
    core::Result<void> register_buffer_ring(io_uring_buf_ring* memory, std::uint32_t count,
                                            std::uint16_t group);
    [[nodiscard]] std::uint64_t now_us();
    void shutdown_write(int descriptor);
    void limit_unsent(int /*descriptor*/, core::Unsent /*most*/) {}
    [[nodiscard]] std::optional<std::int32_t> move_file(int descriptor, int file,
                                                        std::uint64_t offset, std::uint32_t size);
    [[nodiscard]] std::optional<std::uint64_t> peer(int descriptor);
    [[nodiscard]] static std::optional<core::Address> peer_address(int /*descriptor*/) {
        return std::nullopt;
    }
    void reset_on_close(int descriptor);

    /// The wait ends though nothing has completed.
    void wake() noexcept { woken_ = true; }
    /// Another ring's message.
    void post_message(std::uint64_t user_data, std::int32_t result) { post(user_data, result, 0); }
    /// Operations that have not completed.
    [[nodiscard]] std::uint32_t outstanding() const noexcept { return live_; }
    [[nodiscard]] Buffers& buffers() noexcept { return buffers_; }
    [[nodiscard]] std::uint64_t completed() const noexcept { return completed_; }
    [[nodiscard]] std::uint64_t faults_drawn() const noexcept { return fault_draws_; }

  private:
    static constexpr std::size_t parts_max = 32;

    struct Operation {
        std::uint64_t user_data = 0;
        std::uint64_t offset = 0;
        std::uint64_t checksum = 0;
        char* data = nullptr;
        std::size_t size = 0;
        int descriptor = -1;
        std::uint32_t index = 0;  // of the socket, listener or file
        std::uint32_t life = 0;
        std::uint32_t message_flags = 0;
        std::int32_t late_result = 0;  // of a cancellation
        std::uint8_t code = 0;
        bool live = false;
        bool multishot = false;
        bool scheduled = false;  // an event will carry it out
        bool ending = false;     // ... and it completes then, come what may
        bool watched = false;    // its bytes must be those of the checksum
        std::uint8_t part_count = 0;
        std::array<iovec, parts_max> parts;
    };

    // Queues.
    [[nodiscard]] bool full() const noexcept {
        return completions_.size() - head_ >= plan_.completions || !overflow_.empty();
    }
    void post(std::uint64_t user_data, std::int32_t result, std::uint32_t flags);
    void flush_overflow();
    int take_submissions();
    void wait(std::uint64_t deadline_us, std::uint32_t completions);
    void run_due();
    void run_ready();
    void run_socket(std::uint32_t index);
    void dispatch(const Timeline::Entry& entry);
    bool stop_early();
    bool stop_if_due();
    void see(const core::Completion& completion) const;

    // Submissions.
    void issue(const io_uring_sqe& sqe);
    void begin(int operation);
    void issue_accept(const io_uring_sqe& sqe);
    void issue_receive(const io_uring_sqe& sqe);
    void issue_send(const io_uring_sqe& sqe);
    void issue_poll(const io_uring_sqe& sqe);
    void issue_read(const io_uring_sqe& sqe);
    void issue_nothing(const io_uring_sqe& sqe);
    void issue_timeout(const io_uring_sqe& sqe);
    void issue_cancel(const io_uring_sqe& sqe);
    void issue_close(const io_uring_sqe& sqe);
    Socket& socket_of(const io_uring_sqe& sqe, const char* what);
    void check_owner(const io_uring_sqe& sqe, std::uint32_t socket);
    /// The socket of the connection that an operation belongs to.
    [[nodiscard]] std::optional<std::uint32_t> socket_of(const Operation& operation) const;

    // Operations.
    int make(const io_uring_sqe& sqe, std::uint32_t index);
    void complete(int operation, std::int32_t result, std::uint32_t flags = 0);
    void postpone(int operation, std::uint64_t until_us);
    [[nodiscard]] bool can_run(const Operation& operation);
    void run(int operation);
    void run_accept(int operation);
    void run_listener(std::uint32_t listener);
    void run_receive(int operation);
    void run_send(int operation);
    void run_read(int operation);
    void run_close(int operation);
    [[nodiscard]] std::uint64_t checksum(const Operation& operation) const;
    bool draw(Fault fault) noexcept {
        const bool drawn = faults_.draw(fault);
        fault_draws_ += drawn ? 1 : 0;
        return drawn;
    }

    const RingPlan& plan_;
    std::vector<Stop> stops_;
    Timeline& timeline_;
    Network& network_;
    Faults& faults_;
    Actors& actors_;
    Buffers buffers_;

    std::vector<io_uring_sqe> submissions_;
    std::vector<core::Completion> completions_;
    std::size_t head_ = 0;
    std::deque<core::Completion> overflow_;
    std::vector<Operation> operations_;
    std::vector<int> free_;
    std::vector<std::uint64_t> owners_;  // by socket: slot and generation of its connection
    std::vector<std::uint32_t> ready_;
    std::size_t next_stop_ = 0;
    std::uint64_t scarce_until_us_ = 0;
    std::uint32_t live_ = 0;
    std::uint64_t completed_ = 0;
    std::uint64_t fault_draws_ = 0;
    bool woken_ = false;
};

}  // namespace enduring::simulation
