// Walks every reachable state of the connection lifecycle, with everything that the peer, the
// kernel, the session and the clock may do in each, and asserts the invariants of the design in all
// of them. Time is discrete: limits are one to three milliseconds, so that every order in which
// deadlines can pass occurs, and the states stay finite.
//
// What may happen is derived from a World: what the kernel holds of the connection, and what the
// loop owes to the session. It is kept from the machine's actions alone, so that a machine that
// forgets what it asked for is found out.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/lifecycle.hpp"

namespace enduring::core {
namespace {

constexpr std::uint64_t never = Lifecycle::never;

enum class Descriptor : std::uint8_t { open, closing, closed };

/// What the loop must do before anything else happens to the connection.
enum class Debt : std::uint8_t {
    none,
    progress,       ///< the session is being told of the end of input, or of room in the output
    last_progress,  ///< the session is being told that its time is over
};

/// Everything outside of the machine that belongs to its connection.
struct World {
    bool receive = false;  // in the kernel
    bool receive_cancelled = false;
    bool send = false;  // in the kernel
    bool send_cancelled = false;
    std::uint8_t cancels = 0;  // in the kernel
    bool input_ended = false;
    bool starved = false;  // no buffer was left for it
    bool held = false;     // the session has enough input
    bool output = false;   // the session has queued something that was not sent
    bool write_shut = false;
    bool retired = false;
    bool must_reset = false;  // the connection was cut by us
    bool peer_broke = false;  // ... or by the peer
    bool evicted = false;     // ended for another one, when nothing was owed
    bool aged = false;        // the session has been told that the connection is old
    bool surplus = false;     // retired since its address has too many connections
    Descriptor descriptor = Descriptor::open;
    Debt debt = Debt::none;
    std::uint64_t linger_end_ms = never;
};

struct State {
    Lifecycle machine;
    World world;
    std::uint64_t now_ms = 0;
};

/// One thing that happens: an event, or a millisecond that passes without one.
struct Move {
    bool tick = false;
    /// Happens even if the peer and the handler do nothing more: the kernel and the clock.
    bool forced = false;
    Event event{};
};

using Cells = std::array<std::array<bool, trigger_count>, phase_count>;

std::string text_of(const Move& move) {
    if (move.tick) {
        return "1 ms passes";
    }
    constexpr std::array kinds{
        "accepted",      "progressed",      "discarded",      "peer_finished",
        "receive_ended", "receive_starved", "receive_broken", "buffers_returned",
        "sent",          "send_broken",     "send_failed",    "send_ended",
        "cancel_ended",  "time_passed",     "retire",         "evict",
        "abort",         "closed"};
    constexpr std::array needs{"request", "head", "content", "answer", "room", "nothing"};
    const Event& event = move.event;
    std::string text = kinds[static_cast<std::size_t>(event.kind)];
    if (event.kind == Event::Kind::progressed) {
        text += std::string("(") + needs[static_cast<std::size_t>(event.need)] +
                (event.hold_input ? ", hold_input" : "") +
                (event.new_message ? ", new_message" : "") + (event.moved ? ", moved" : "") + ")";
    }
    if (event.amount != 0) {
        text += " " + std::to_string(event.amount) + " bytes";
    }
    return text + (event.output_waiting ? " output_waiting" : "");
}

// ---- what may happen ---------------------------------------------------------------------------

/// More cancellations than this wait for no answer: the kernel answers each when it is submitted,
/// so that even one earlier is rare. Without a bound the states would not be finite.
constexpr unsigned cancels_of_holding_max = 2;

/// How late the clock may be looked at.
constexpr std::uint64_t late_ms_max = 2;

/// What bytes pay for at the rates of the settings: nothing, a millisecond, or more than enough.
constexpr std::array<std::uint32_t, 3> amounts{0, 1, 9};

void add_progress(std::vector<Move>& moves, const State& state, std::uint32_t amount) {
    const Lifecycle& machine = state.machine;
    for (unsigned bits = 0; bits < 6U * 8U; ++bits) {
        const auto need = static_cast<Need>(bits / 8);
        const bool hold = (bits & 1) != 0;
        const bool output = (bits & 4) != 0;
        if (state.world.debt == Debt::last_progress && need != Need::nothing) {
            continue;
        }
        if (need == Need::room && !output && !machine.output_waiting() && !machine.sending()) {
            continue;
        }
        if (hold && state.world.receive && !state.world.receive_cancelled &&
            state.world.cancels >= cancels_of_holding_max) {
            continue;
        }
        Progress progress{.need = need, .hold_input = hold, .new_message = (bits & 2) != 0};
        if (need == Need::nothing) {
            progress.reason = Reason::client_close;
        }
        moves.push_back({.forced = state.world.debt != Debt::none,
                         .event = events::progressed(progress, output, amount)});
        if (need == Need::answer && !progress.new_message) {
            progress.moved = true;
            moves.push_back({.forced = state.world.debt != Debt::none,
                             .event = events::progressed(progress, output, amount)});
        }
        if (need == Need::nothing) {
            progress.broken = true;
            moves.push_back({.forced = state.world.debt != Debt::none,
                             .event = events::progressed(progress, output, amount)});
        }
    }
}

/// Which rates are judged; where none is, the number of bytes makes no difference.
struct Rates {
    bool body;
    bool write;

    explicit Rates(const TimeLimits& limits)
        : body(limits.body_bytes_per_s_min != 0), write(limits.write_bytes_per_s_min != 0) {}
};

std::vector<Move> moves_of(const State& state, Rates rates) {
    const auto& [machine, world, now_ms] = state;
    std::vector<Move> moves;
    if (machine.phase() == Phase::released) {
        return moves;
    }
    if (world.debt != Debt::none) {
        add_progress(moves, state, 0);
        return moves;
    }
    const bool due = now_ms >= machine.deadline_ms();
    const auto ahead = [now = now_ms](std::uint64_t deadline_ms) {
        return deadline_ms != never && deadline_ms > now;
    };
    if (ahead(machine.read_deadline_ms()) || ahead(machine.write_deadline_ms()) ||
        ahead(machine.age_deadline_ms()) ||
        (machine.phase() == Phase::lingering && ahead(world.linger_end_ms))) {
        // The loop looks at the clock in every turn, so no deadline waits for long.
        const bool overdue = due && now_ms - machine.deadline_ms() >= late_ms_max;
        if (overdue) {
            moves.push_back({.forced = true, .event = events::time_passed()});
            return moves;
        }
        moves.push_back({.tick = true, .forced = !due});
    }
    moves.push_back({.forced = due, .event = events::time_passed()});
    moves.push_back({.event = events::abort()});
    if (!world.retired) {
        moves.push_back({.event = events::retire(Reason::drain)});
        if (machine.phase() == Phase::opening) {
            // Later it makes no difference for which reason.
            moves.push_back({.event = events::retire(Reason::connections_per_ip)});
        }
    }
    if (machine.evictable()) {
        moves.push_back({.event = events::evict()});
    }
    if (world.receive) {
        moves.push_back({.forced = world.receive_cancelled, .event = events::receive_ended()});
        moves.push_back({.event = events::receive_starved()});
        moves.push_back({.event = events::receive_broken()});
        moves.push_back({.event = events::peer_finished()});
        if (!machine.is_open()) {
            moves.push_back({.event = events::discarded()});
        }
    }
    if (world.send) {
        moves.push_back({.forced = world.send_cancelled, .event = events::send_ended()});
        moves.push_back({.event = events::sent(false, 1)});
        for (const std::uint32_t amount : amounts) {
            if (amount == 1 || rates.write) {
                moves.push_back({.event = events::sent(true, amount)});
            }
        }
        moves.push_back({.event = events::send_broken()});
        moves.push_back({.event = events::send_failed()});
    }
    if (world.cancels > 0) {
        moves.push_back({.forced = true, .event = events::cancel_ended()});
    }
    if (world.descriptor == Descriptor::closing) {
        moves.push_back({.forced = true, .event = events::closed()});
    }
    if (machine.starved()) {
        moves.push_back({.event = events::buffers_returned()});
    }
    if (machine.is_open()) {
        // Only a content that goes on is judged by what came of it.
        for (const std::uint32_t amount : amounts) {
            if (amount == 0 || (rates.body && machine.phase() == Phase::content)) {
                add_progress(moves, state, amount);
            }
        }
    }
    return moves;
}

// ---- one step and what must hold of it ---------------------------------------------------------

/// The first thing that was found wrong, or empty.
class Verdict {
  public:
    void require(bool condition, const char* what) {
        if (!condition && violation_.empty()) {
            violation_ = what;
        }
    }
    [[nodiscard]] const std::string& violation() const { return violation_; }

  private:
    std::string violation_;
};

/// What the event alone changes in the world, before the machine has said anything.
void happen(World& world, const State& before, const Event& event) {
    const Phase phase = before.machine.phase();
    const bool write_due = before.now_ms >= before.machine.write_deadline_ms();
    switch (event.kind) {
        case Event::Kind::receive_starved:
            world.starved = true;
            [[fallthrough]];
        case Event::Kind::receive_broken:
        case Event::Kind::receive_ended:
        case Event::Kind::peer_finished:
            world.receive = false;
            world.receive_cancelled = false;
            break;
        case Event::Kind::sent:
        case Event::Kind::send_broken:
        case Event::Kind::send_failed:
            world.output = event.output_waiting;
            [[fallthrough]];
        case Event::Kind::send_ended:
            world.send = false;
            world.send_cancelled = false;
            break;
        case Event::Kind::cancel_ended:
            --world.cancels;
            break;
        case Event::Kind::closed:
            world.descriptor = Descriptor::closed;
            break;
        case Event::Kind::progressed:
            world.debt = Debt::none;
            world.held = event.hold_input;
            world.output = world.output || event.output_waiting;
            break;
        case Event::Kind::buffers_returned:
            world.starved = false;
            break;
        case Event::Kind::retire:
            world.retired = true;
            world.surplus = event.reason == Reason::connections_per_ip;
            break;
        case Event::Kind::evict:
            world.evicted = true;
            break;
        default:
            break;
    }
    if (event.kind == Event::Kind::peer_finished) {
        world.input_ended = true;
        world.debt = before.machine.is_open() ? Debt::progress : Debt::none;
    }
    if (phase < Phase::joining) {
        world.must_reset = event.kind == Event::Kind::abort ||
                           event.kind == Event::Kind::send_failed ||
                           (event.kind == Event::Kind::progressed && event.broken) ||
                           (event.kind == Event::Kind::time_passed && write_due);
        world.peer_broke =
            event.kind == Event::Kind::receive_broken || event.kind == Event::Kind::send_broken;
    }
}

/// Each action must make sense in the world, and then changes it.
void obey(World& world, const State& before, const Event& event, const Lifecycle& after,
          Actions actions, Verdict& verdict) {
    if (actions.has(Actions::time_out)) {
        const Phase phase = before.machine.phase();
        verdict.require(event.kind == Event::Kind::time_passed, "time_out without time");
        verdict.require(before.now_ms >= before.machine.read_deadline_ms(), "time_out too early");
        verdict.require(phase == Phase::head || phase == Phase::content || phase == Phase::handling,
                        "time_out in a phase without an exchange");
        verdict.require(after.is_open(), "the session is called after flushing began");
        world.debt = Debt::last_progress;
    }
    if (actions.has(Actions::age)) {
        verdict.require(event.kind == Event::Kind::time_passed, "age without time");
        verdict.require(before.now_ms >= before.machine.age_deadline_ms(), "old too early");
        verdict.require(after.is_open(), "the session is told of its age when it has ended");
        verdict.require(!world.aged, "a connection became old twice");
        world.aged = true;
    }
    if (actions.has(Actions::arm_receive)) {
        verdict.require(!world.receive, "a second receive is armed");
        verdict.require(!world.input_ended, "a receive is armed after the end of input");
        verdict.require(!world.starved, "a receive is armed although no buffer is left");
        verdict.require(world.descriptor == Descriptor::open, "a receive on a closed descriptor");
        world.receive = true;
    }
    if (actions.has(Actions::send)) {
        verdict.require(!world.send, "a second send is submitted");
        verdict.require(!world.write_shut, "a send after the sending side was shut");
        verdict.require(world.descriptor == Descriptor::open, "a send on a closed descriptor");
        world.send = true;
    }
    if (actions.has(Actions::shutdown_write)) {
        verdict.require(!world.write_shut, "the sending side is shut twice");
        verdict.require(!world.input_ended, "shut although the close follows at once");
        verdict.require(!world.send && !after.output_waiting(), "shut before all was sent");
        verdict.require(world.descriptor == Descriptor::open, "shut on a closed descriptor");
        world.write_shut = true;
    }
    if (actions.has(Actions::cancel_receive)) {
        verdict.require(world.receive && !world.receive_cancelled, "needless cancel of a receive");
        world.receive_cancelled = true;
        ++world.cancels;
    }
    if (actions.has(Actions::cancel_send)) {
        verdict.require(world.send && !world.send_cancelled, "needless cancel of a send");
        world.send_cancelled = true;
        ++world.cancels;
    }
    if (actions.has(Actions::close)) {
        verdict.require(!world.receive && !world.send && world.cancels == 0,
                        "closed while the kernel still holds an operation");
        verdict.require(world.descriptor == Descriptor::open, "closed twice");
        verdict.require(actions.has(Actions::reset_on_close) == world.must_reset,
                        "a reset exactly when we cut the connection");
        verdict.require(world.must_reset || world.peer_broke ||
                            (world.evicted && !after.output_waiting()) ||
                            (!after.output_waiting() && (world.write_shut || world.input_ended)),
                        "a begun response was neither delivered nor cut");
        world.descriptor = Descriptor::closing;
    } else {
        verdict.require(!actions.has(Actions::reset_on_close), "a reset without a close");
    }
    if (actions.has(Actions::release)) {
        verdict.require(event.kind == Event::Kind::closed, "released by something else than close");
        verdict.require(!world.receive && !world.send && world.cancels == 0 &&
                            world.descriptor == Descriptor::closed,
                        "released while the kernel still holds something");
        verdict.require(after.reason() != Reason::none, "released without a reason");
    }
    verdict.require(actions.has(Actions::release) == (after.phase() == Phase::released),
                    "release and the last phase come together");
}

/// Which cells of the table the step went through; they must lead to where the machine is.
void replay(const State& before, const Event& event, const Lifecycle& after, Cells& exercised,
            Verdict& verdict) {
    Phase phase = before.machine.phase();
    const auto pull = [&](Trigger trigger) {
        if (!has_transition(phase, trigger)) {
            verdict.require(false, "a transition that the table does not have");
            return;
        }
        exercised[static_cast<std::size_t>(phase)][static_cast<std::size_t>(trigger)] = true;
        phase = next_phase(phase, trigger);
    };
    switch (event.kind) {
        case Event::Kind::progressed:
            pull(event.broken ? Trigger::broken : static_cast<Trigger>(event.need));
            if (before.world.retired && phase == Phase::idle) {
                pull(Trigger::retired);
            }
            break;
        case Event::Kind::receive_broken:
        case Event::Kind::send_broken:
        case Event::Kind::send_failed:
        case Event::Kind::abort:
            pull(Trigger::broken);
            break;
        case Event::Kind::retire:
            pull(Trigger::retired);
            break;
        case Event::Kind::evict:
            pull(Trigger::evicted);
            break;
        case Event::Kind::closed:
            pull(Trigger::closed);
            break;
        case Event::Kind::time_passed:
            if (phase < Phase::joining && before.now_ms >= before.machine.write_deadline_ms()) {
                pull(Trigger::broken);
            } else if (before.now_ms >= before.machine.read_deadline_ms() &&
                       (phase == Phase::opening || phase == Phase::idle ||
                        phase == Phase::lingering)) {
                pull(Trigger::quiet);
            }
            break;
        default:
            break;
    }
    if (phase == Phase::flushing && !after.output_waiting() && !after.sending()) {
        pull(Trigger::flushed);
    }
    if (phase == Phase::lingering && after.peer_finished()) {
        pull(Trigger::quiet);
    }
    if (phase == Phase::joining && !after.receiving() && !after.sending() && after.cancels() == 0) {
        pull(Trigger::joined);
    }
    verdict.require(phase == after.phase(), "the phase is not the one that the table gives");
}

/// What must hold in every state, however it was reached.
void inspect(const State& state, const TimeLimits& limits, Verdict& verdict) {
    const auto& [machine, world, now_ms] = state;
    const Phase phase = machine.phase();
    verdict.require(machine.receiving() == world.receive, "receiving() is not true");
    verdict.require(machine.sending() == world.send, "sending() is not true");
    verdict.require(machine.cancels() == world.cancels, "cancels() is not true");
    verdict.require(machine.starved() == world.starved, "starved() is not true");
    verdict.require(machine.input_held() == world.held, "input_held() is not true");
    verdict.require(machine.output_waiting() == world.output, "output_waiting() is not true");
    verdict.require(machine.peer_finished() == world.input_ended, "peer_finished() is not true");
    verdict.require(machine.is_open() || machine.reason() != Reason::none,
                    "a connection ends without a reason");
    if (phase < Phase::joining) {
        verdict.require(machine.output_waiting() == machine.sending(),
                        "output waits and nobody sends it");
        verdict.require((machine.write_deadline_ms() != never) ==
                            (machine.output_waiting() &&
                             (limits.write_timeout_ms != 0 || limits.write_bytes_per_s_min != 0)),
                        "output without a time limit, or a time limit without output");
        const bool held = machine.is_open() && machine.input_held();
        verdict.require(machine.receiving() || held || machine.starved() || machine.peer_finished(),
                        "nobody listens to the peer");
        verdict.require(!held || !world.receive || world.receive_cancelled,
                        "a receive goes on although input is held");
    } else {
        verdict.require(!world.receive || world.receive_cancelled, "a receive is left behind");
        verdict.require(!world.send || world.send_cancelled, "a send is left behind");
        verdict.require(machine.deadline_ms() == never,
                        "a deadline when only the kernel is awaited");
    }
    const bool everything_limited = limits.keepalive_timeout_ms != 0 &&
                                    limits.header_timeout_ms != 0 && limits.body_timeout_ms != 0 &&
                                    limits.write_timeout_ms != 0;
    const bool awaits_handler = phase == Phase::handling && limits.handler_timeout_ms == 0;
    if (everything_limited && world.debt == Debt::none && phase < Phase::joining &&
        !awaits_handler) {
        verdict.require(std::min(machine.read_deadline_ms(), machine.write_deadline_ms()) != never,
                        "the peer can hold the connection for ever");
    }
    if (phase == Phase::lingering) {
        verdict.require(machine.read_deadline_ms() <= world.linger_end_ms,
                        "lingering beyond its end");
    }
}

/// What must hold between one state and the next.
void compare(const State& before, const State& after, const Event& event, Actions actions,
             Verdict& verdict) {
    const Phase from = before.machine.phase();
    const Phase to = after.machine.phase();
    verdict.require(before.machine.is_open() || from <= to, "an ending connection went back");
    verdict.require(before.machine.reason() == Reason::none ||
                        before.machine.reason() == after.machine.reason(),
                    "the reason changed");
    if (event.kind == Event::Kind::time_passed && before.now_ms < before.machine.deadline_ms()) {
        verdict.require(actions.bits == 0 && from == to &&
                            before.machine.deadline_ms() == after.machine.deadline_ms(),
                        "something happened before its time");
    }
    if (from == Phase::head && to == Phase::head && event.kind == Event::Kind::progressed &&
        !event.new_message) {
        verdict.require(before.machine.read_deadline_ms() == after.machine.read_deadline_ms(),
                        "a trickling head moved its deadline");
    }
    if (event.kind == Event::Kind::progressed && !event.new_message &&
        (from == Phase::opening || from == Phase::head) && to == Phase::idle) {
        verdict.require(before.machine.read_deadline_ms() == after.machine.read_deadline_ms(),
                        "empty lines moved a deadline");
        verdict.require(after.machine.awaits_message(), "empty lines are forgotten");
    }
    if (before.machine.awaits_message() && from == Phase::idle && to == Phase::head &&
        !event.new_message) {
        verdict.require(before.machine.read_deadline_ms() == after.machine.read_deadline_ms(),
                        "a head after empty lines moved a deadline");
    }
    if (from != Phase::released && to == Phase::joining) {
        verdict.require(!actions.has(Actions::send) && !actions.has(Actions::arm_receive),
                        "something new is begun on a broken connection");
    }
}

std::string take(State& state, const Move& move, const TimeLimits& limits, Cells& exercised) {
    if (move.tick) {
        ++state.now_ms;
        return {};
    }
    Verdict verdict;
    const State before = state;
    happen(state.world, before, move.event);
    const Actions actions = state.machine.step(move.event, state.now_ms, limits);
    obey(state.world, before, move.event, state.machine, actions, verdict);
    if (state.machine.phase() == Phase::lingering && before.machine.phase() != Phase::lingering) {
        state.world.linger_end_ms = state.now_ms + limits.linger_max_ms;
    }
    // As the loop does: whoever waited for room is asked as soon as some output was taken.
    if (move.event.kind == Event::Kind::sent && state.machine.phase() == Phase::stalled) {
        state.world.debt = Debt::progress;
    }
    replay(before, move.event, state.machine, exercised, verdict);
    inspect(state, limits, verdict);
    compare(before, state, move.event, actions, verdict);
    return verdict.violation();
}

// ---- the walk ----------------------------------------------------------------------------------

/// All that decides what a state does from now on: two states with the same key are the same state.
/// Which reason was given decides nothing any more, only whether one was.
class Key {
  public:
    Key(const State& state, const TimeLimits& limits) {
        const auto& [machine, world, now_ms] = state;
        add(static_cast<unsigned>(machine.phase()), 4);
        add(static_cast<unsigned>(world.descriptor), 2);
        add(static_cast<unsigned>(world.debt), 2);
        add(world.cancels, 3);
        add(machine.cancels(), 3);
        for (const bool bit : {machine.reason() != Reason::none,
                               machine.receiving(),
                               machine.sending(),
                               machine.output_waiting(),
                               machine.input_held(),
                               machine.starved(),
                               machine.peer_finished(),
                               machine.awaits_message(),
                               machine.content_stopped(),
                               world.receive,
                               world.receive_cancelled,
                               world.send,
                               world.send_cancelled,
                               world.input_ended,
                               world.write_shut,
                               world.retired,
                               world.must_reset,
                               world.peer_broke,
                               world.evicted,
                               world.aged,
                               world.surplus && machine.phase() == Phase::opening}) {
            add(bit ? 1 : 0, 1);
        }
        add_time(machine.read_deadline_ms(), now_ms);
        add_time(machine.write_deadline_ms(), now_ms);
        add_time(machine.age_deadline_ms(), now_ms);
        // What the phase's beginning still decides: how long lingering may go on at most.
        add_time(machine.phase() == Phase::lingering ? world.linger_end_ms : never, now_ms);
        const Rates rates(limits);
        RateMeter content = machine.content_rate();
        if (machine.content_stopped()) {
            content.go_on(now_ms);
        }
        add_rate(content,
                 rates.body && (machine.phase() == Phase::content || machine.content_stopped()),
                 state, limits);
        add_rate(machine.write_rate(),
                 rates.write && machine.output_waiting() && machine.phase() < Phase::joining, state,
                 limits);
    }
    [[nodiscard]] std::uint64_t value() const { return value_; }

  private:
    void add(unsigned value, unsigned bits) {
        value_ = value_ << bits | value;
        used_bits_ += bits;
        EXPECT_TRUE(value < 1U << bits && used_bits_ <= 64);
    }
    // How long ago a deadline passed makes no difference.
    void add_time(std::uint64_t deadline_ms, std::uint64_t now_ms) {
        add(deadline_ms == never ? 7
                                 : static_cast<unsigned>(std::max(deadline_ms, now_ms) - now_ms),
            3);
    }

    // When the grace ends, and until when is paid: that may be over, and what comes next counts all
    // the same.
    void add_rate(const RateMeter& rate, bool matters, const State& state,
                  const TimeLimits& limits) {
        constexpr std::uint64_t past_max = 8;
        if (!matters) {
            add(0, 7);
            return;
        }
        add_time(rate.begin_ms() + limits.rate_grace_ms, state.now_ms);
        EXPECT_LE(state.now_ms, rate.paid_until_ms() + past_max);
        add(static_cast<unsigned>(rate.paid_until_ms() + past_max - state.now_ms), 4);
    }

    std::uint64_t value_ = 0;
    unsigned used_bits_ = 0;
};

class Walk {
  public:
    explicit Walk(const TimeLimits& limits) : limits_(limits) {}

    /// Breadth first, so that the events told of a violation are as few as can be.
    void run() {
        State first;
        const Actions actions = first.machine.step(events::accepted(), 0, limits_);
        ASSERT_EQ(actions.bits, Actions::arm_receive);
        first.world.receive = true;
        find_or_add(first, 0, {});
        for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
            visit(i);
            if (testing::Test::HasFailure()) {
                return;
            }
        }
    }

    /// From which states the kernel and the clock alone lead to release, whatever order they take.
    /// What is left has no way to go, or goes round for ever.
    void expect_release_from_everywhere() const {
        std::vector<std::uint32_t> unsettled(nodes_.size(), 0);
        std::vector<std::vector<std::uint32_t>> sources(nodes_.size());
        std::vector<std::uint32_t> settled;
        std::size_t awaiting_handler = 0;
        for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
            unsettled[i] = static_cast<std::uint32_t>(nodes_[i].forced.size());
            for (const std::uint32_t next : nodes_[i].forced) {
                sources[next].push_back(i);
            }
            if (!nodes_[i].forced.empty()) {
                continue;
            }
            const Phase phase = nodes_[i].state.machine.phase();
            // The one exception: no time limit for the handler was asked for. Nothing but the
            // handler is waited for, so the peer is not the one who holds the connection.
            if (phase == Phase::handling && limits_.handler_timeout_ms == 0) {
                ++awaiting_handler;
                settled.push_back(i);
            } else if (phase == Phase::released) {
                settled.push_back(i);
            } else {
                ADD_FAILURE() << "nothing will ever happen after:\n" << path_to(i);
                return;
            }
        }
        for (std::size_t done = 0; done < settled.size(); ++done) {
            for (const std::uint32_t source : sources[settled[done]]) {
                if (--unsettled[source] == 0) {
                    settled.push_back(source);
                }
            }
        }
        for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
            if (unsettled[i] != 0) {
                ADD_FAILURE() << "kernel and clock do not lead to release after:\n" << path_to(i);
                return;
            }
        }
        EXPECT_EQ(awaiting_handler > 0, limits_.handler_timeout_ms == 0);
    }

    void expect_no_dead_cell() const {
        for (std::size_t phase = 0; phase < phase_count; ++phase) {
            for (std::size_t trigger = 0; trigger < trigger_count; ++trigger) {
                EXPECT_EQ(exercised_[phase][trigger],
                          has_transition(static_cast<Phase>(phase), static_cast<Trigger>(trigger)))
                    << name_of(static_cast<Phase>(phase)) << " × "
                    << name_of(static_cast<Trigger>(trigger));
            }
        }
    }

    [[nodiscard]] bool reached(Phase phase) const {
        return std::ranges::any_of(
            nodes_, [phase](const Node& node) { return node.state.machine.phase() == phase; });
    }
    [[nodiscard]] std::size_t states() const { return nodes_.size(); }
    [[nodiscard]] std::size_t transitions() const { return transitions_; }

  private:
    struct Node {
        State state;
        std::uint32_t parent;
        Move move;  // from the parent
        std::vector<std::uint32_t> forced{};
    };

    void visit(std::uint32_t index) {
        const State state = nodes_[index].state;
        const std::uint64_t key = Key(state, limits_).value();
        for (const Move& move : moves_of(state, Rates(limits_))) {
            State next = state;
            const std::string violation = take(next, move, limits_, exercised_);
            ++transitions_;
            if (!violation.empty()) {
                ADD_FAILURE() << violation << " after:\n"
                              << path_to(index) << "  " << text_of(move) << "\n";
                return;
            }
            const std::uint32_t target = find_or_add(next, index, move);
            if (move.forced) {
                if (Key(next, limits_).value() == key) {
                    ADD_FAILURE() << text_of(move) << " changes nothing after:\n" << path_to(index);
                    return;
                }
                nodes_[index].forced.push_back(target);
            }
        }
    }

    std::uint32_t find_or_add(const State& state, std::uint32_t parent, const Move& move) {
        const auto next = static_cast<std::uint32_t>(nodes_.size());
        const auto [entry, added] = index_.try_emplace(Key(state, limits_).value(), next);
        if (added) {
            nodes_.push_back({state, parent, move});
        } else if (++met_again_ % sample_every == 0) {
            expect_same_behaviour(nodes_[entry->second].state, state);
        }
        return entry->second;
    }

    // That the key leaves nothing out which matters: both states must do the same with every move.
    void expect_same_behaviour(const State& known, const State& other) {
        for (const Move& move : moves_of(known, Rates(limits_))) {
            State left = known;
            State right = other;
            take(left, move, limits_, exercised_);
            const std::string violation = take(right, move, limits_, exercised_);
            EXPECT_EQ(violation, "");
            EXPECT_EQ(Key(left, limits_).value(), Key(right, limits_).value())
                << "states that look the same differ after: " << text_of(move);
        }
    }

    [[nodiscard]] std::string path_to(std::uint32_t index) const {
        std::vector<std::string> lines;
        for (; index != 0; index = nodes_[index].parent) {
            lines.push_back("  " + text_of(nodes_[index].move) + " → " +
                            std::string(name_of(nodes_[index].state.machine.phase())) + "\n");
        }
        std::string text = "  accepted\n";
        for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
            text += *line;
        }
        return text;
    }

    static constexpr std::size_t sample_every = 7;

    TimeLimits limits_;
    std::vector<Node> nodes_;
    std::unordered_map<std::uint64_t, std::uint32_t> index_;
    Cells exercised_{};
    std::size_t transitions_ = 0;
    std::size_t met_again_ = 0;
};

struct Setting {
    const char* name;
    TimeLimits limits;
};

class LifecycleModel : public testing::TestWithParam<Setting> {};

TEST_P(LifecycleModel, KeepsItsInvariantsInEveryReachableState) {
    const TimeLimits& limits = GetParam().limits;
    Walk walk(limits);
    walk.run();
    std::printf("%s: %zu states, %zu transitions\n", GetParam().name, walk.states(),
                walk.transitions());
    if (HasFailure()) {
        return;
    }
    for (std::size_t phase = 0; phase < phase_count; ++phase) {
        EXPECT_TRUE(walk.reached(static_cast<Phase>(phase))) << name_of(static_cast<Phase>(phase));
    }
    if (limits.header_timeout_ms != 0) {
        walk.expect_no_dead_cell();
        walk.expect_release_from_everywhere();
    }
}

constexpr TimeLimits setting(std::array<std::uint64_t, 7> times, std::uint64_t age_ms = 0,
                             std::uint64_t body_rate = 0, std::uint64_t write_rate = 0) {
    return {.keepalive_timeout_ms = times[0],
            .header_timeout_ms = times[1],
            .body_timeout_ms = times[2],
            .handler_timeout_ms = times[3],
            .write_timeout_ms = times[4],
            .linger_timeout_ms = times[5],
            .linger_max_ms = times[6],
            .connection_max_age_ms = age_ms,
            .body_bytes_per_s_min = body_rate,
            .write_bytes_per_s_min = write_rate,
            .last_call_ms = 1,
            .rate_grace_ms = 2};
}

INSTANTIATE_TEST_SUITE_P(
    Limits, LifecycleModel,
    testing::Values(Setting{"slow_reader", setting({2, 1, 2, 1, 3, 1, 2})},
                    Setting{"slow_writer", setting({2, 3, 2, 3, 1, 2, 3})},
                    Setting{"patient_with_handlers", setting({2, 2, 1, 0, 2, 1, 3})},
                    Setting{"no_lingering", setting({1, 2, 1, 2, 2, 0, 0})},
                    Setting{"no_limits", setting({0, 0, 0, 0, 0, 1, 2})},
                    Setting{"old", setting({1, 1, 1, 1, 2, 1, 1}, 2)},
                    Setting{"slow_content", setting({1, 1, 3, 1, 1, 1, 1}, 0, 1'000)},
                    Setting{"slow_output", setting({1, 1, 1, 1, 3, 1, 1}, 0, 0, 1'000)},
                    Setting{"old_and_slow", setting({1, 1, 2, 1, 1, 1, 1}, 1, 1'000)}),
    [](const testing::TestParamInfo<Setting>& setting) { return setting.param.name; });

}  // namespace
}  // namespace enduring::core
