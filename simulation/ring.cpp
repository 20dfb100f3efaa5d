// The queues of the simulated ring, and waiting: what the system call io_uring_enter does.
#include "simulation/ring.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/token.hpp"
#include "simulation/names.hpp"
#include "simulation/report.hpp"

namespace enduring::simulation {

Ring::Ring(const RingPlan& plan, Timeline& timeline, Network& network, Faults& faults,
           Actors& actors)
    : plan_(plan),
      stops_(plan.stops),
      timeline_(timeline),
      network_(network),
      faults_(faults),
      actors_(actors) {
    submissions_.reserve(plan.submissions);
    operations_.reserve(64);
}

io_uring_sqe& Ring::take_sqe() {
    if (sqe_room() == 0) {
        fail("a submission was taken from a full queue");
    }
    // What liburing does not reset is what was there before.
    io_uring_sqe sqe;
    std::memset(static_cast<void*>(&sqe), 0xa5, sizeof sqe);
    io_uring_initialize_sqe(&sqe);
    submissions_.push_back(sqe);
    return submissions_.back();
}

int Ring::submit() {
    timeline_.advance_to(timeline_.now_us() + 1);
    buffers_.observe();
    return take_submissions();
}

int Ring::submit_and_wait(std::optional<std::uint64_t> timeout_ms, std::uint32_t completions) {
    timeline_.advance_to(timeline_.now_us() + 2 + faults_.random().below(20));
    if (draw(Fault::slow_turns)) {
        timeline_.advance_to(timeline_.now_us() + faults_.random().below(12'000));
    }
    stop_early();
    buffers_.observe();
    run_due();
    const auto wanted = static_cast<int>(submissions_.size());
    const int taken = take_submissions();
    if (taken < 0) {
        note(timeline_.now_us(), "  submit: {}", error_name(-taken));
        return taken;
    }
    if (taken < wanted) {
        note(timeline_.now_us(), "  submit: {} of {}", taken, wanted);
        return 0;
    }
    const std::uint64_t deadline_us =
        timeout_ms ? timeline_.now_us() + *timeout_ms * 1000 : Timeline::never;
    wait(deadline_us, std::min(completions, plan_.completions));
    return 0;
}

// Gives the number that the kernel took; the rest stays in the queue.
int Ring::take_submissions() {
    flush_overflow();
    if (submissions_.empty()) {
        return 0;
    }
    if (!overflow_.empty() && draw(Fault::busy)) {
        return -EBUSY;
    }
    if (draw(Fault::busy)) {
        return faults_.random().chance(500) ? -EBUSY : -EAGAIN;
    }
    std::size_t count = submissions_.size();
    if (draw(Fault::few_taken)) {
        count = 1 + faults_.random().below(count);
    }
    for (std::size_t i = 0; i < count; ++i) {
        const io_uring_sqe sqe = submissions_[i];
        issue(sqe);
    }
    submissions_.erase(submissions_.begin(),
                       submissions_.begin() + static_cast<std::ptrdiff_t>(count));
    return static_cast<int>(count);
}

void Ring::wait(std::uint64_t deadline_us, std::uint32_t completions) {
    run_ready();
    while (completions_.size() - head_ < completions) {
        if (std::exchange(woken_, false) || stop_if_due() || draw(Fault::interrupted)) {
            break;
        }
        const std::uint64_t next_us = timeline_.next_us();
        const std::uint64_t stop_us =
            next_stop_ < stops_.size() ? stops_[next_stop_].at_us : Timeline::never;
        if (stop_us < std::min(next_us, deadline_us)) {
            timeline_.advance_to(stop_us);
            continue;
        }
        if (next_us > deadline_us) {
            timeline_.advance_to(deadline_us);
            break;
        }
        if (next_us == Timeline::never) {
            fail("the loop waits without a limit, and nothing will ever happen");
        }
        dispatch(timeline_.take());
        run_ready();
    }
    woken_ = false;
    stop_if_due();
}

// What happens at this moment happens before the kernel looks.
void Ring::run_due() {
    while (timeline_.next_us() <= timeline_.now_us()) {
        dispatch(timeline_.take());
    }
}

// A stop may come while the process works, too: before or after it reads the clock.
bool Ring::stop_early() {
    const std::uint64_t soon_us = timeline_.now_us() + 1'000'000;
    if (next_stop_ < stops_.size() && stops_[next_stop_].at_us < soon_us &&
        faults_.random().chance(100)) {
        stops_[next_stop_].at_us = timeline_.now_us();
    }
    return stop_if_due();
}

bool Ring::stop_if_due() {
    bool stopped = false;
    while (next_stop_ < stops_.size() && stops_[next_stop_].at_us <= timeline_.now_us()) {
        const Stop stop = stops_[next_stop_++];
        const std::uint64_t end_us = timeline_.now_us() + stop.length_us;
        note(timeline_.now_us(), "the process is stopped");
        timeline_.begin_stop();
        // The network goes on; completions are only made when the process enters the kernel.
        while (timeline_.next_us() <= end_us) {
            dispatch(timeline_.take());
        }
        timeline_.advance_to(end_us);
        timeline_.end_stop();
        note(timeline_.now_us(), "the process goes on after {} ms", stop.length_us / 1000);
        stopped = true;
    }
    if (stopped && faults_.random().chance(500)) {
        run_ready();
    }
    return stopped;
}

void Ring::dispatch(const Timeline::Entry& entry) {
    if (entry.happening != Happening::operation_due) {
        actors_.on_event(entry);
        return;
    }
    Operation& operation = operations_[entry.subject];
    if (operation.live && operation.life == entry.life) {
        operation.scheduled = false;
        run(static_cast<int>(entry.subject));
    }
}

void Ring::run_ready() {
    flush_overflow();
    for (std::uint32_t i = 0; i < network_.listeners(); ++i) {
        if (network_.listener(i).wakes > 0) {
            run_listener(i);
        }
    }
    while (!network_.ready.empty()) {
        std::swap(ready_, network_.ready);
        if (draw(Fault::reordered)) {
            for (std::size_t i = ready_.size(); i > 1; --i) {
                std::swap(ready_[i - 1], ready_[faults_.random().below(i)]);
            }
        }
        for (const std::uint32_t index : ready_) {
            network_.socket(index).ready = false;
            run_socket(index);
        }
        ready_.clear();
    }
}

void Ring::run_socket(std::uint32_t index) {
    const Socket& socket = network_.socket(index);
    const bool output_first = faults_.on(Fault::reordered) && faults_.random().chance(500);
    for (const bool output : {output_first, !output_first}) {
        const int operation = output ? socket.output_operation : socket.receive_operation;
        if (operation >= 0 && !operations_[static_cast<std::size_t>(operation)].scheduled &&
            can_run(operations_[static_cast<std::size_t>(operation)])) {
            begin(operation);
        }
    }
}

void Ring::post(std::uint64_t user_data, std::int32_t result, std::uint32_t flags) {
    ++completed_;
    if (full()) {
        overflow_.push_back({user_data, result, flags});
    } else {
        completions_.push_back({user_data, result, flags});
    }
}

void Ring::flush_overflow() {
    while (!overflow_.empty() && completions_.size() - head_ < plan_.completions) {
        completions_.push_back(overflow_.front());
        overflow_.pop_front();
    }
}

void Ring::see(const core::Completion& completion) const {
    if (tracing()) {
        note(timeline_.now_us(), "  <- {}: {}{}{}", text_of(completion.user_data),
             result_text(completion.result), completion.more() ? ", more" : "",
             completion.has_buffer() ? core::formatted(", buffer {}", completion.buffer()) : "");
    }
}

core::Result<void> Ring::register_buffer_ring(io_uring_buf_ring* memory, std::uint32_t count,
                                              std::uint16_t group) {
    buffers_.attach(memory, count, group);
    return {};
}

// ---- plain system calls ------------------------------------------------------------------------

std::uint64_t Ring::now_us() {
    if (stop_early()) {
        woken_ = false;
    }
    return plan_.clock_base_ms * 1'000 + timeline_.now_us();
}

void Ring::shutdown_write(int descriptor) {
    const Descriptor what = network_.at(descriptor);
    if (what.kind != Descriptor::Kind::socket) {
        fail("the sending side of something was shut that is no socket");
    }
    if (network_.socket(what.index).write_shut) {
        fail("the sending side of a socket was shut twice");
    }
    note(timeline_.now_us(), "  shutdown of descriptor {}", descriptor);
    network_.shutdown_write(what.index);
}

std::optional<std::uint64_t> Ring::peer(int descriptor) {
    const Descriptor what = network_.at(descriptor);
    if (what.kind != Descriptor::Kind::socket) {
        fail("the peer of something was asked for that is no socket");
    }
    const std::uint64_t peer = network_.socket(what.index).peer;
    return peer == 0 ? std::nullopt : std::optional(peer);
}

void Ring::reset_on_close(int descriptor) {
    const Descriptor what = network_.at(descriptor);
    if (what.kind != Descriptor::Kind::socket) {
        fail("something is to be reset that is no socket");
    }
    network_.socket(what.index).reset_on_close = true;
}

}  // namespace enduring::simulation
