// The driver of one worker: completions become events, actions become submissions. It decides
// nothing about a connection (lifecycle does), about the server (drain does), about bytes (the
// protocol does) or about how they are sent (transmitter). A template over the ring, so that tests
// can drive it with a simulated kernel.
//
// A turn: submit and wait, read the clock, take every completion, let woken sessions go on, see
// what is due, begin one output operation for each connection that has something to send. The clock
// is read again before the next wait if that has a limit, or if the protocol measures its turns.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <deque>
#include <new>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/acceptor.hpp"
#include "core/buffer_ring.hpp"
#include "core/catch_up.hpp"
#include "core/counters.hpp"
#include "core/drain.hpp"
#include "core/host.hpp"
#include "core/lifecycle.hpp"
#include "core/peer_counts.hpp"
#include "core/quiet_order.hpp"
#include "core/ring.hpp"
#include "core/slab.hpp"
#include "core/sqe.hpp"
#include "core/submitter.hpp"
#include "core/timer_wheel.hpp"
#include "core/token.hpp"
#include "core/transmitter.hpp"

namespace enduring::core {

/// What another thread may tell a worker, as the result of an Operation::command completion.
enum class Command : std::int32_t {
    drain = 1,  ///< finish and stop; said twice: stop at once
    run = 2,    ///< the protocol finds something that was left for it
};

struct LoopOptions {
    std::uint32_t connections_max = 1024;
    TimeLimits times{};
    std::uint64_t drain_delay_ms = 0;
    std::uint64_t drain_timeout_ms = 30'000;
    std::uint32_t chunks_max = 64;  ///< of memory for files, see ChunkPool; at least 1
    Neighbours neighbours{};
    PeerCounts* peers = nullptr;  ///< shared by all workers; null: no limit for each peer
};

/// Owns the connections. Everything happens in the thread that calls turn().
template <class RingType, Protocol ProtocolType>
class Loop final : public Host<typename ProtocolType::Session> {
  public:
    using Session = typename ProtocolType::Session;
    using typename Host<Session>::Access;

    Loop(RingType& ring, BufferRing& buffers, ProtocolType& protocol, LoopOptions options)
        : ring_(ring),
          buffers_(buffers),
          protocol_(protocol),
          options_(std::move(options)),
          now_ms_(ring.now_us() / 1'000),
          submitter_(ring, buffers, counters_),
          acceptor_(submitter_, counters_, options_.neighbours),
          transmitter_(submitter_, counters_, options_.chunks_max),
          connections_(options_.connections_max),
          wheel_(options_.connections_max, now_ms_),
          drain_(options_.connections_max, options_.drain_delay_ms, options_.drain_timeout_ms),
          quiet_(options_.connections_max) {
        // Only pages that are used take memory; and nothing need be allocated later.
        for (auto* queue : {&due_, &sending_}) {
            queue->reserve(options_.connections_max);
        }
        for (auto* queue : {&starved_, &fed_, &woken_}) {
            queue->reserve(options_.connections_max);
        }
        protocol_.attach(this);
        if (options_.peers != nullptr) {
            counted_peers_.resize(options_.connections_max);
        }
    }

    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// Accepts on this descriptor from the first turn on, and closes it when the drain begins.
    /// backlog: as it was given to listen(2).
    void add_listener(int descriptor, std::uint32_t backlog) { acceptor_.add(descriptor, backlog); }

    /// One turn; to be repeated until finished(). It ends at this time if nothing happens before.
    void turn(std::uint64_t until_ms = TimerWheel::never) {
        accept();
        const std::uint64_t last_ms = now_ms_;
        const auto wait = wait_ms(until_ms);
        std::uint64_t begin_ms = last_ms;
        if (wait.value_or(0) > 0 || protocol_.measures_turn()) {
            const std::uint64_t begin_us = ring_.now_us();
            begin_ms = begin_us / 1'000;
            protocol_.end_turn(begin_us);
        }
        const bool all_submitted = submitter_.submit_and_wait(wait);
        const std::uint64_t now_us = ring_.now_us();
        now_ms_ = now_us / 1'000;
        catch_up_.begin_turn(wait ? last_ms + *wait : TimerWheel::never, last_ms, now_ms_);
        note_absence(last_ms, begin_ms, wait);
        protocol_.begin_turn(now_us);
        ++counters_.turns;
        const unsigned completions = ring_.drain([this](const Completion& completion) {
            if (!submitter_.has_room()) {
                return false;
            }
            take(completion);
            return true;
        });
        counters_.completions += completions;
        const auto unasked = static_cast<unsigned>(starved_.size() + fed_.size());
        if (catch_up_.may_judge(completions + unasked, all_submitted)) [[likely]] {
            wheel_.expire(now_ms_, [this](std::uint32_t slot) {
                Connection& connection = connections_.at(slot);
                ++counters_.timers_due;
                counters_.timer_lag_ms += now_ms_ - connection.timer_ms;
                connection.timer_ms = TimerWheel::never;
                due_.push_back(slot);
            });
        }
        obey(drain_.on_time(now_ms_));
        make_room();
        run_queues();
    }

    /// Begins to drain, or cuts it short when called again. In the loop's thread; from elsewhere by
    /// Command::drain.
    void drain() { obey(drain_.on_drain(now_ms_)); }

    /// A drain has ended and nothing of this loop is left in the kernel or on its way to it.
    [[nodiscard]] bool finished() const noexcept {
        return drain_.state() == ServerState::stopped && acceptor_.finished();
    }

    [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
    [[nodiscard]] std::uint32_t connections() const noexcept { return connections_.live(); }
    [[nodiscard]] const Drain& server() const noexcept { return drain_; }
    /// Connections that were cut at the end of the drain in the middle of a request or response.
    [[nodiscard]] std::uint32_t cut() const noexcept { return cut_; }
    [[nodiscard]] std::size_t chunks_lent() const noexcept { return transmitter_.chunks_lent(); }

    /// What can be seen of a connection.
    struct ConnectionView {
        ConnectionId id;
        const Lifecycle& lifecycle;
        const SendQueue& output;
        const Session& session;
        std::uint64_t opened_ms;
    };
    /// Calls see(ConnectionView) for each connection, in the loop's thread. It looks at every slot
    /// that was ever used, so it is not for every turn.
    template <class See>
    void for_each_connection(See&& see) {
        for (std::uint32_t slot = 0; slot < connections_.touched(); ++slot) {
            if (connections_.is_live(slot)) {
                const Connection& connection = connections_.at(slot);
                see(ConnectionView{id_of(slot), connection.lifecycle, connection.outlet.queue,
                                   connection.session, connection.opened_ms});
            }
        }
    }

    // Host
    Access find(ConnectionId id) override {
        Connection* connection = connections_.find(id.slot, id.generation);
        if (connection == nullptr || !connection->lifecycle.is_open()) {
            return {};
        }
        return {&connection->session, &connection->outlet.queue};
    }
    void wake(ConnectionId id) override {
        Connection* connection = connections_.find(id.slot, id.generation);
        if (connection != nullptr && !connection->woken) {
            connection->woken = true;
            woken_.push_back(id);  // there is room for each connection once
        }
    }
    BlockPool& blocks() override { return transmitter_.blocks(); }
    std::optional<Address> peer(ConnectionId id) override {
        const Connection* connection = connections_.find(id.slot, id.generation);
        return connection == nullptr ? std::nullopt : ring_.peer_address(connection->descriptor);
    }
    std::uint64_t now_ms() const override { return now_ms_; }

  private:
    // A turn is its work, which began at last_ms, and a wait, which began at begin_ms. When in work
    // that took longer than any does, or in a wait that ended too late, the loop could not run is
    // not known: all of it is left out. A stop that ends before the wait was to end is not seen.
    void note_absence(std::uint64_t last_ms, std::uint64_t begin_ms,
                      std::optional<std::uint64_t> wait) {
        const std::uint64_t worked_until_ms = wait == 0 ? now_ms_ : begin_ms;
        if (worked_until_ms > last_ms + work_ms_max) [[unlikely]] {
            options_.times.absent_ms += worked_until_ms - last_ms;
        }
        const std::uint64_t asked_ms = wait.value_or(0);
        if (asked_ms > 0 && now_ms_ > begin_ms + asked_ms + CatchUp::late_ms_min) [[unlikely]] {
            options_.times.absent_ms += now_ms_ - begin_ms;
        }
    }

    struct Connection {
        Lifecycle lifecycle;
        Outlet outlet;
        /// When the wheel will next look at this connection; never later than the deadline. It is
        /// left alone when a deadline only moves away, so most requests do not touch the wheel.
        std::uint64_t timer_ms = TimerWheel::never;
        std::uint64_t opened_ms = 0;
        int descriptor = -1;
        bool send_queued : 1 = false;  // the output operation waits for the end of the turn
        bool send_revoked = false;     // ... and has been cancelled before it began
        bool awaits_chunk = false;     // ... or waits for a chunk
        bool was_held : 1 = false;     // the receive was cancelled once: now one at a time
        bool was_starved : 1 = false;  // the last receive found no buffer: the next takes only one
        bool rationed : 1 = false;     // the receive in the kernel is such a one
        bool woken : 1 = false;        // its session has something to go on with
        bool untried : 1 = false;      // what waited for the receive may not have come yet
        bool evicted : 1 = false;      // it ends because another one waits for its place
        Session session;
    };

    static constexpr std::uint16_t buffer_group = 0;
    static constexpr std::uint64_t work_ms_max = 1'000;
    static constexpr std::uint64_t last_messages_poll_ms = 5;
    // Nobody tells a full worker that another one has room again.
    static constexpr std::uint64_t neighbour_poll_ms = 20;
    static constexpr std::uint32_t sweep_done = ~0U;
    static constexpr std::uint32_t draw_step = 0x9e37'79b9;  // the golden ratio's fraction
    // How many new connections a full worker takes in at once, each in the place of a quiet one.
    static constexpr std::uint32_t newcomers_max = 8;

    // ---- queues ------------------------------------------------------------------------------

    // Takes entries until the queue is empty, so many are taken, or submissions find no room; the
    // rest waits a turn. Gives how many were taken.
    template <class Entry, class Run>
    std::size_t run_queue(std::vector<Entry>& queue, Run&& run,
                          std::size_t most = ~std::size_t{0}) {
        if (queue.empty()) {
            return 0;
        }
        std::size_t done = 0;
        while (done < std::min(queue.size(), most) && submitter_.has_room()) {
            const Entry entry = queue[done++];
            run(entry);
        }
        if (done == queue.size()) {
            queue.clear();
        } else {
            queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(done));
        }
        return done;
    }

    void run_woken() {
        run_queue(woken_, [this](ConnectionId id) {
            Connection* connection = connections_.find(id.slot, id.generation);
            if (connection == nullptr) {
                return;
            }
            connection->woken = false;
            if (connection->lifecycle.is_open()) {
                resume(id.slot, *connection);
            }
        });
    }

    void run_queues() {
        // An answer that was given in time counts, though its session has not gone on yet: also one
        // that was given when another one's time was over.
        run_woken();
        if (woken_.empty()) {
            run_queue(due_, [this](std::uint32_t slot) {
                on_due(slot);
                run_woken();
            });
        }
        run_sweep();
        // Not more than there are buffers: the others would ask in vain.
        std::size_t buffers = buffers_.count();
        for (auto* queue : {&starved_, &fed_}) {
            buffers -= run_queue(
                *queue,
                [this](ConnectionId id) {
                    if (Connection* connection = connections_.find(id.slot, id.generation)) {
                        step(id.slot, *connection, events::buffers_returned());
                    }
                },
                buffers);
        }
        run_queue(sending_, [this](std::uint32_t slot) { begin_send(slot); });
    }

    [[nodiscard]] std::optional<std::uint64_t> wait_ms(std::uint64_t until_ms) const {
        if (!due_.empty() || !starved_.empty() || !fed_.empty() || !woken_.empty() ||
            !sending_.empty() || sweep_ != sweep_done || came_to_rest_ || catch_up_.active() ||
            acceptor_.unarmed() ||
            (drain_.state() == ServerState::draining && acceptor_.parked() > 0)) {
            return 0;
        }
        if (drain_.state() == ServerState::stopped) {
            return last_messages_poll_ms;
        }
        std::uint64_t next_ms =
            std::min({until_ms, drain_.deadline_ms(), protocol_.next_ms(), wheel_.next_ms()});
        if (drain_.state() == ServerState::full && acceptor_.has_neighbours()) {
            next_ms = std::min(next_ms, now_ms_ + neighbour_poll_ms);
        }
        if (next_ms == TimerWheel::never) {
            return std::nullopt;
        }
        return next_ms > now_ms_ ? next_ms - now_ms_ : 0;
    }

    // ---- completions -------------------------------------------------------------------------

    void take(const Completion& completion) {
        const Token token = unpack(completion.user_data);
        switch (token.operation) {
            case Operation::receive:
            case Operation::send:
            case Operation::read_file:
            case Operation::send_file:
            case Operation::await_room:
            case Operation::cancel:
            case Operation::close:
                take_connections(token, completion);
                break;
            case Operation::accept:
                take_accept(token.slot, completion);
                break;
            case Operation::cancel_accept:
                acceptor_.on_cancelled(token.slot);
                break;
            case Operation::close_other:
                acceptor_.on_other_closed();
                break;
            case Operation::hand_over:
                acceptor_.on_hand_over_failed(token.generation);
                adopt(static_cast<int>(token.slot));
                break;
            case Operation::handed_over:
                adopt(completion.result);
                break;
            case Operation::command:
                obey_command(static_cast<Command>(completion.result));
                break;
        }
    }

    void obey_command(Command command) {
        switch (command) {
            case Command::drain:
                drain();
                break;
            case Command::run:
                protocol_.run_posted();
                break;
        }
    }

    void take_connections(Token token, const Completion& completion) {
        Connection* connection = connections_.find(token.slot, token.generation);
        if (connection == nullptr) [[unlikely]] {
            ++counters_.late_completions;
            return_unread_buffer(completion);
            return;
        }
        switch (token.operation) {
            case Operation::receive:
                on_receive(token.slot, *connection, completion);
                break;
            case Operation::cancel:
                step(token.slot, *connection, events::cancel_ended());
                break;
            case Operation::close:
                step(token.slot, *connection, events::closed());
                break;
            default:
                on_output(token.slot, *connection, token.operation, completion.result);
                break;
        }
    }

    void take_accept(std::uint32_t listener, const Completion& completion) {
        using Outcome = typename Acceptor<RingType>::Outcome;
        switch (acceptor_.on_accept(listener, completion.result, completion.more(),
                                    connections_.full())) {
            case Outcome::adopt:
                adopt(completion.result);
                break;
            case Outcome::scarcity:
                obey(drain_.on_scarcity(now_ms_));
                free_descriptor(-completion.result);
                break;
            case Outcome::nothing:
                break;
        }
    }

    void return_unread_buffer(const Completion& completion) {
        if (completion.has_buffer()) {
            static_cast<void>(buffers_.lend(completion.buffer(), 0));
            buffers_.give_back(completion.buffer());
        }
    }

    // ---- the server's own states -------------------------------------------------------------

    // A worker that is full goes on accepting for the others, as long as these have room, since
    // clients cannot choose whose listener they come to; and a few for itself, as long as there are
    // quiet connections that can make room.
    void accept() {
        if (drain_.state() == ServerState::serving) {
            acceptor_.arm(connections_.capacity() - connections_.live());
        } else if (drain_.state() == ServerState::full && !drain_.scarce()) {
            const auto waiting = static_cast<std::uint32_t>(acceptor_.parked());
            const std::uint32_t newcomers =
                none_quiet_ || waiting >= newcomers_max ? 0 : newcomers_max - waiting;
            acceptor_.arm(std::max(acceptor_.room_elsewhere(), newcomers));
        }
    }

    // For each connection that waits for a slot: a free one of another worker, or the place of a
    // quiet connection, here or, where none is, at another worker.
    void make_room() {
        if (drain_.state() >= ServerState::draining) {
            acceptor_.refuse_parked();
            came_to_rest_ = false;
            if (none_quiet_) {
                set_none_quiet(false);
            }
            return;
        }
        const bool came_to_rest = std::exchange(came_to_rest_, false);
        if (none_quiet_ && (came_to_rest || !connections_.full())) {
            set_none_quiet(false);
        }
        const bool may_pass_on = !acceptor_.take_hand_over_failed();
        // While this worker chose another one for a newcomer, that one may have taken some as well:
        // nobody is evicted as long as there is a slot anywhere.
        if (acceptor_.parked() > evicting_ && may_pass_on) [[unlikely]] {
            acceptor_.pass_on(acceptor_.slots_of_each(), evicting_);
        }
        while (acceptor_.parked() > evicting_ && !none_quiet_) {
            if (!submitter_.has_room()) {
                came_to_rest_ = true;  // perhaps one is quiet, but not now
                return;
            }
            const Eviction eviction = evict();
            if (eviction == Eviction::later) {
                came_to_rest_ = true;
                return;
            }
            set_none_quiet(eviction == Eviction::none);
        }
        if (none_quiet_ && may_pass_on) [[unlikely]] {
            acceptor_.pass_on(connections_.capacity() + newcomers_max, evicting_);
        }
    }

    void set_none_quiet(bool none_quiet) {
        none_quiet_ = none_quiet;
        acceptor_.set_stuck(none_quiet);
    }

    // What a quiet connection holds may do for a new one. Not more often than accepting is tried
    // again: if it does not help, others need not suffer as well.
    void free_descriptor(int error) {
        const bool may_help =
            error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
        if (may_help && drain_.state() == ServerState::full && evicting_ == 0 &&
            now_ms_ >= next_sacrifice_ms_) {
            next_sacrifice_ms_ = now_ms_ + Drain::scarcity_retry_ms;
            static_cast<void>(evict());
        }
    }

    enum class Eviction : std::uint8_t { done, none, later };

    // Ends the connection that has been quiet for longest. Later: it seems to be quiet, but its
    // receive has perhaps begun in this turn, and its next request may have waited for that.
    Eviction evict() {
        for (bool searched = false;; searched = true) {
            while (const auto entry = quiet_.take()) {
                Connection* connection = connections_.find(entry->slot, entry->generation);
                if (connection != nullptr && connection->lifecycle.evictable() &&
                    connection->lifecycle.quiet_since_ms() == entry->since_ms) {
                    if (connection->untried) {
                        connection->untried = false;
                        quiet_.put_back(*entry);
                        return Eviction::later;
                    }
                    connection->evicted = true;
                    ++evicting_;
                    step(entry->slot, *connection, events::evict());
                    return Eviction::done;
                }
            }
            if (searched) {
                return Eviction::none;
            }
            quiet_.search([this](const auto& add) {
                for (std::uint32_t slot = 0; slot < connections_.touched(); ++slot) {
                    if (connections_.is_live(slot) && connections_.at(slot).lifecycle.evictable()) {
                        add(QuietOrder::Entry{connections_.at(slot).lifecycle.quiet_since_ms(),
                                              slot, connections_.generation(slot)});
                    }
                }
            });
        }
    }

    // The peer of a connection is counted as long as the connection lives. One too many is not
    // counted: its first request is refused, and it must come soon.
    void count_peer(std::uint32_t slot, Connection& connection) {
        const std::optional<std::uint64_t> peer = ring_.peer(connection.descriptor);
        if (!peer) {
            return;
        }
        if (options_.peers->add(*peer)) {
            counted_peers_[slot] = peer;
        } else {
            retire(slot, connection, Reason::connections_per_ip);
        }
    }

    // Gives the connection a slot, or parks it: accepting pauses when all slots are taken, but one
    // burst may bring more than there are.
    void adopt(int descriptor) {
        const bool draining = drain_.state() == ServerState::draining;
        if (drain_.state() == ServerState::stopped ||
            (draining && (connections_.full() || drain_.overdue()))) {
            acceptor_.uncount();
            acceptor_.refuse(descriptor);
            return;
        }
        if (connections_.full()) {
            acceptor_.park(descriptor);
            return;
        }
        const std::uint32_t slot = connections_.acquire();
        Connection& connection = connections_.at(slot);
        connection.descriptor = descriptor;
        connection.opened_ms = now_ms_;
        ++counters_.accepted;
        protocol_.open(connection.session, id_of(slot));
        draw_ += draw_step;
        step(slot, connection, events::accepted(draw_ >> 16));
        if (options_.peers != nullptr) {
            count_peer(slot, connection);
        }
        if (draining) {
            // It was accepted before the listener could be closed: it gets one answer.
            retire(slot, connection, Reason::drain);
        }
        obey(drain_.on_connections(connections_.live()));
    }

    void release(std::uint32_t slot, Connection& connection) {
        ++counters_.closed[static_cast<std::size_t>(connection.lifecycle.reason())];
        evicting_ -= connection.evicted ? 1 : 0;
        if (options_.peers != nullptr) {
            if (const auto peer = std::exchange(counted_peers_[slot], std::nullopt)) {
                options_.peers->remove(*peer);
            }
        }
        protocol_.close(connection.session);
        transmitter_.clear(connection.outlet);
        wheel_.cancel(slot);
        connections_.release(slot);
        acceptor_.uncount();
        obey(drain_.on_descriptor_freed());
        if (const int descriptor = acceptor_.unpark(); descriptor >= 0) {
            adopt(descriptor);
        }
        obey(drain_.on_connections(connections_.live()));
    }

    void obey(Drain::Actions actions) {
        if (actions.has(Drain::Actions::pause_accept)) {
            acceptor_.pause();
        }
        if (actions.has(Drain::Actions::close_listeners)) {
            acceptor_.shut();
        }
        if (actions.has(Drain::Actions::retire_connections)) {
            sweep_ = 0;
            sweep_event_ = events::retire(Reason::drain);
        }
        if (actions.has(Drain::Actions::abort_connections)) {
            sweep_ = 0;
            sweep_event_ = events::abort();
        }
    }

    // Retires or aborts all connections, as many at a time as submissions find room.
    void run_sweep() {
        while (sweep_ != sweep_done && submitter_.has_room()) {
            if (sweep_ >= connections_.touched()) {
                sweep_ = sweep_done;
                return;
            }
            const std::uint32_t slot = sweep_++;
            if (!connections_.is_live(slot)) {
                continue;
            }
            Connection& connection = connections_.at(slot);
            if (sweep_event_.kind == Event::Kind::retire) {
                retire(slot, connection, Reason::drain);
                continue;
            }
            if (sweep_event_.kind == Event::Kind::abort && connection.lifecycle.owes()) {
                ++cut_;
            }
            step(slot, connection, sweep_event_);
        }
    }

    void retire(std::uint32_t slot, Connection& connection, Reason reason) {
        if (connection.lifecycle.is_open()) {
            protocol_.retire(connection.session, reason);
        }
        step(slot, connection, events::retire(reason));
    }

    // ---- one connection ----------------------------------------------------------------------

    [[nodiscard]] ConnectionId id_of(std::uint32_t slot) const noexcept {
        return {slot, connections_.generation(slot)};
    }
    [[nodiscard]] Token token_of(std::uint32_t slot, Operation operation) const noexcept {
        return {operation, slot, connections_.generation(slot)};
    }

    void step(std::uint32_t slot, Connection& connection, Event event) {
        const Actions actions = connection.lifecycle.step(event, now_ms_, options_.times);
        if (actions.bits != 0) {
            perform(slot, connection, actions);
            if (actions.has(Actions::release)) {
                return;
            }
        }
        if (none_quiet_ && connection.lifecycle.evictable()) [[unlikely]] {
            came_to_rest_ = true;
        }
        const std::uint64_t deadline_ms = connection.lifecycle.deadline_ms();
        if (deadline_ms < connection.timer_ms) {
            wheel_.set(slot, deadline_ms);
            connection.timer_ms = deadline_ms;
        }
    }

    void perform(std::uint32_t slot, Connection& connection, Actions actions) {
        if (actions.has(Actions::send)) {
            connection.send_queued = true;
            sending_.push_back(slot);
        }
        if (actions.has(Actions::arm_receive)) {
            const Token token = token_of(slot, Operation::receive);
            // When buffers are short, each of those that found none gets one in turn. A multishot
            // receive of a fast sender would take all that came back, and the same ones would go
            // without again and again.
            connection.rationed = connection.was_starved;
            connection.was_starved = false;
            connection.untried = true;
            if (connection.was_held || connection.rationed) {
                prepare_receive_once(submitter_.sqe(), connection.descriptor, buffer_group, token);
            } else {
                prepare_receive(submitter_.sqe(), connection.descriptor, buffer_group, token);
            }
        }
        if (actions.has(Actions::shutdown_write)) {
            ring_.shutdown_write(connection.descriptor);
        }
        if (actions.has(Actions::cancel_receive)) {
            connection.was_held = true;
            prepare_cancel(submitter_.sqe(), token_of(slot, Operation::receive),
                           token_of(slot, Operation::cancel));
        }
        if (actions.has(Actions::cancel_send)) {
            cancel_send(slot, connection);
        }
        if (actions.has(Actions::close)) {
            if (actions.has(Actions::reset_on_close)) {
                ring_.reset_on_close(connection.descriptor);
            }
            prepare_close(submitter_.sqe(), connection.descriptor,
                          token_of(slot, Operation::close));
        }
        if (actions.has(Actions::age)) {
            protocol_.retire(connection.session, Reason::max_age);
        }
        if (actions.has(Actions::time_out)) {
            report(slot, connection,
                   protocol_.time_out(connection.session, connection.outlet.queue));
        }
        if (actions.has(Actions::release)) {
            release(slot, connection);
        }
    }

    void report(std::uint32_t slot, Connection& connection, Progress progress,
                std::uint32_t bytes_received = 0) {
        step(
            slot, connection,
            events::progressed(progress, connection.outlet.queue.size_bytes() > 0, bytes_received));
    }

    void resume(std::uint32_t slot, Connection& connection) {
        report(slot, connection, protocol_.resume(connection.session, connection.outlet.queue));
    }

    void on_receive(std::uint32_t slot, Connection& connection, const Completion& completion) {
        if (completion.result > 0) [[likely]] {
            const auto size = static_cast<std::size_t>(completion.result);
            const std::span<const char> bytes = buffers_.lend(completion.buffer(), size);
            counters_.bytes_received += size;
            connection.untried = false;
            if (connection.lifecycle.is_open()) {
                report(slot, connection,
                       protocol_.receive(connection.session, connection.outlet.queue, bytes),
                       static_cast<std::uint32_t>(size));
            } else {
                step(slot, connection, events::discarded());
            }
            buffers_.give_back(completion.buffer());
            if (!completion.more() && connection.rationed) {
                // Who has had his buffer stands behind those who found none.
                connection.rationed = false;
                step(slot, connection, events::receive_starved());
                fed_.push_back(id_of(slot));
            } else if (!completion.more()) {
                step(slot, connection, events::receive_ended());
            }
            return;
        }
        return_unread_buffer(completion);
        switch (-completion.result) {
            case 0:
                step(slot, connection, events::peer_finished());
                if (connection.lifecycle.is_open()) {
                    report(slot, connection,
                           protocol_.finish_input(connection.session, connection.outlet.queue));
                }
                break;
            case ENOBUFS:
                ++counters_.starvations;
                connection.was_starved = true;
                step(slot, connection, events::receive_starved());
                starved_.push_back(id_of(slot));
                break;
            case ECANCELED:
            case EINTR:
            case EAGAIN:
                step(slot, connection, events::receive_ended());
                break;
            default:
                step(slot, connection, events::receive_broken());
                break;
        }
    }

    void on_due(std::uint32_t slot) {
        if (!connections_.is_live(slot)) {
            return;
        }
        // Before the deadline there is nothing to do but to set the timer anew, which step does.
        step(slot, connections_.at(slot), events::time_passed());
    }

    // ---- output ------------------------------------------------------------------------------

    void begin_send(std::uint32_t slot) {
        Connection& connection = connections_.at(slot);
        if (connection.lifecycle.phase() >= Phase::joining) {
            end_unsent(slot, connection);
            return;
        }
        const Begun begun = transmitter_.begin(connection.outlet, connection.descriptor, slot,
                                               connections_.generation(slot));
        if (begun == Begun::nothing) {
            await_chunk(slot, connection);
            return;
        }
        connection.send_queued = false;
        if (begun == Begun::all_at_once && connection.lifecycle.phase() == Phase::idle &&
            !none_quiet_) {
            submitter_.note_unawaited();
        }
    }

    void await_chunk(std::uint32_t slot, Connection& connection) {
        try {
            chunk_waiters_.push_back(id_of(slot));
            connection.awaits_chunk = true;
        } catch (const std::bad_alloc&) {
            connection.send_queued = false;
            step(slot, connection, events::send_failed());
        }
    }

    void on_output(std::uint32_t slot, Connection& connection, Operation operation, int result) {
        const std::size_t chunks_before = transmitter_.chunks_lent();
        const Event event = transmitter_.complete(connection.outlet, operation, result);
        if (connection.lifecycle.phase() >= Phase::joining) {
            transmitter_.drop_chunk(connection.outlet);
        }
        if (transmitter_.chunks_lent() < chunks_before) {
            wake_chunk_waiter();
        }
        step(slot, connection, event);
        if (event.kind == Event::Kind::sent && connections_.is_live(slot) &&
            connection.lifecycle.phase() == Phase::stalled) {
            resume(slot, connection);
        }
    }

    // An output operation that has not begun has nothing to cancel in the kernel: it ends by
    // itself.
    void cancel_send(std::uint32_t slot, Connection& connection) {
        if (!connection.send_queued) {
            prepare_cancel(submitter_.sqe(), token_of(slot, connection.outlet.operation),
                           token_of(slot, Operation::cancel));
            return;
        }
        connection.send_revoked = true;
        if (std::exchange(connection.awaits_chunk, false)) {
            sending_.push_back(slot);
        }
    }

    void end_unsent(std::uint32_t slot, Connection& connection) {
        connection.send_queued = false;
        if (connection.outlet.chunk != nullptr) {
            transmitter_.drop_chunk(connection.outlet);
        }
        wake_chunk_waiter();
        if (std::exchange(connection.send_revoked, false)) {
            step(slot, connection, events::cancel_ended());
        }
        step(slot, connection, events::send_ended());
    }

    void wake_chunk_waiter() {
        while (!chunk_waiters_.empty()) {
            const ConnectionId id = chunk_waiters_.front();
            chunk_waiters_.pop_front();
            Connection* connection = connections_.find(id.slot, id.generation);
            if (connection != nullptr && std::exchange(connection->awaits_chunk, false)) {
                sending_.push_back(id.slot);
                return;
            }
        }
    }

    RingType& ring_;
    BufferRing& buffers_;
    ProtocolType& protocol_;
    LoopOptions options_;
    Counters counters_;
    std::uint64_t now_ms_;
    Submitter<RingType> submitter_;
    Acceptor<RingType> acceptor_;
    Transmitter<RingType> transmitter_;
    Slab<Connection> connections_;
    TimerWheel wheel_;
    CatchUp catch_up_;
    Drain drain_;

    // Work that is left for the end of the turn, or for the next one.
    std::vector<std::uint32_t> due_;
    std::vector<ConnectionId> starved_;  // they wait for receive buffers
    std::vector<ConnectionId> fed_;      // ... so do these, after the others
    std::vector<ConnectionId> woken_;
    std::vector<std::uint32_t> sending_;
    std::deque<ConnectionId> chunk_waiters_;
    std::uint32_t sweep_ = sweep_done;
    std::uint32_t cut_ = 0;
    Event sweep_event_ = events::abort();

    // Room for new connections.
    QuietOrder quiet_;
    std::uint64_t next_sacrifice_ms_ = 0;  // when one may be ended for its descriptor
    std::uint32_t evicting_ = 0;  // connections that have been evicted and are not released yet
    bool none_quiet_ = false;     // all slots are taken, and no connection can make room
    bool came_to_rest_ = false;   // ... but one has become quiet since
    std::vector<std::optional<std::uint64_t>> counted_peers_;  // by slot, those that are counted
    std::uint32_t draw_ = 0;  // spreads the ages of connections: each differs much from the last
};

}  // namespace enduring::core
