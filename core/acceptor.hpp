// Takes new connections from the listeners, and decides which worker has them: keeps one multishot
// accept armed on each listener while the server serves, hands connections over for balance, parks
// what a burst brought beyond the limit, closes the listeners when the server drains.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <deque>
#include <new>
#include <utility>
#include <vector>

#include "core/balance.hpp"
#include "core/counters.hpp"
#include "core/sqe.hpp"
#include "core/submitter.hpp"
#include "core/token.hpp"

namespace enduring::core {

/// Who accepts, and who else there is.
struct Neighbours {
    unsigned worker = 0;                  ///< this worker's number
    Balance* balance = nullptr;           ///< shared by all workers; null: one worker alone
    std::uint32_t connections_max = 0;    ///< of all workers together
    std::vector<int> ring_descriptors{};  ///< the rings of all workers, by their numbers
};

template <class RingType>
class Acceptor {
  public:
    /// What became of a completed accept.
    enum class Outcome : std::uint8_t {
        nothing,   ///< no connection for this worker
        adopt,     ///< give the connection a slot here
        scarcity,  ///< descriptors or memory are short
    };

    Acceptor(Submitter<RingType>& submitter, Counters& counters, Neighbours neighbours)
        : submitter_(submitter), counters_(counters), neighbours_(std::move(neighbours)) {}

    /// backlog: connections that may wait in the listener's queue.
    void add(int descriptor, std::uint32_t backlog) {
        listeners_.push_back(Listener{descriptor, backlog});
    }

    /// Keeps accepts armed, for at most `room` connections. A multishot accept takes whatever the
    /// queue holds before it can be cancelled, so near the limit single ones take its place.
    void arm(std::uint32_t room) {
        unarmed_ = false;
        for (std::uint32_t i = 0; i < listeners_.size(); ++i) {
            Listener& listener = listeners_[i];
            if (listener.cancelling || listener.descriptor < 0) {
                continue;
            }
            const Token token{Operation::accept, i, 0};
            if (room > listener.backlog) {
                if (listener.armed == 0 && has_room_to_arm()) {
                    prepare_accept(submitter_.sqe(), listener.descriptor, token);
                    listener.armed = 1;
                    listener.multishot = true;
                }
                continue;
            }
            if (listener.multishot) {
                cancel(i);
                continue;
            }
            const std::uint32_t wanted = std::min(room, single_accepts_max);
            while (listener.armed < wanted && has_room_to_arm()) {
                prepare_accept_one(submitter_.sqe(), listener.descriptor, token);
                ++listener.armed;
            }
        }
    }

    /// Submissions had no room for an accept: nothing will tell when it is to be tried again.
    [[nodiscard]] bool unarmed() const noexcept { return unarmed_; }

    /// Ends accepting for now; what completes until then is still taken.
    void pause() {
        unarmed_ = false;
        for (std::uint32_t i = 0; i < listeners_.size(); ++i) {
            if (listeners_[i].armed > 0 && !listeners_[i].cancelling) {
                cancel(i);
            }
        }
    }

    /// Ends accepting for good; refuse_parked() does the rest.
    void shut() {
        if (std::exchange(shut_, true)) {
            return;
        }
        if (neighbours_.balance != nullptr) {
            neighbours_.balance->stop_accepting();
        }
        pause();
        for (Listener& listener : listeners_) {
            close_if_done(listener);
        }
    }

    /// Refuses what is parked once accepting has ended for good, as submissions find room.
    void refuse_parked() {
        while (shut_ && !parked_.empty() && submitter_.has_room()) {
            uncount();
            refuse(unpark());
        }
    }

    /// full: this worker has no slot left; another one may.
    Outcome on_accept(std::uint32_t index, int result, bool more, bool full) {
        Listener& listener = listeners_[index];
        if (!more) {
            --listener.armed;
            listener.multishot = false;
        }
        const Outcome outcome = result >= 0 ? on_accepted(result, full) : on_failed(-result);
        close_if_done(listener);
        return outcome;
    }

    void on_cancelled(std::uint32_t index) {
        listeners_[index].cancelling = false;
        close_if_done(listeners_[index]);
    }

    /// The message of a hand-over could not be posted: the connection stays here.
    void on_hand_over_failed(unsigned target) {
        --counters_.handed_over;
        hand_over_failed_ = true;
        neighbours_.balance->remove(target);
        neighbours_.balance->add(neighbours_.worker);
    }

    void on_other_closed() noexcept { --others_closing_; }

    /// Slots that other workers have left, as far as this worker knows.
    [[nodiscard]] std::uint32_t room_elsewhere() const noexcept {
        if (neighbours_.balance == nullptr) {
            return 0;
        }
        const std::uint32_t total = neighbours_.balance->total();
        return total < neighbours_.connections_max ? neighbours_.connections_max - total : 0;
    }
    [[nodiscard]] bool has_neighbours() const noexcept {
        return neighbours_.ring_descriptors.size() > 1;
    }

    /// For an accepted connection that finds no slot: it waits here, as it would in the backlog,
    /// until another one has made room. A few are taken in on purpose while the worker is full, and
    /// other workers may have handed over some at the same moment.
    void park(int descriptor) {
        try {
            parked_.push_back(descriptor);
        } catch (const std::bad_alloc&) {
            uncount();
            refuse(descriptor);
        }
    }
    [[nodiscard]] std::size_t parked() const noexcept { return parked_.size(); }
    /// The next parked connection, or -1.
    int unpark() {
        if (parked_.empty()) {
            return -1;
        }
        const int descriptor = parked_.front();
        parked_.pop_front();
        return descriptor;
    }

    /// Since this was asked last, a hand-over could not be posted: it is tried again a turn later.
    [[nodiscard]] bool take_hand_over_failed() noexcept {
        return std::exchange(hand_over_failed_, false);
    }
    /// Every worker has at least so many slots.
    [[nodiscard]] std::uint32_t slots_of_each() const noexcept {
        return has_neighbours()
                   ? neighbours_.connections_max /
                         static_cast<std::uint32_t>(neighbours_.ring_descriptors.size())
                   : 0;
    }
    /// Of those that are parked, the last that came go to other workers. `bound`: a worker with as
    /// many connections takes no more. The first `kept` stay: a place is being made for each.
    void pass_on(std::uint32_t bound, std::uint32_t kept) {
        while (parked_.size() > kept && has_neighbours() && submitter_.has_room()) {
            Balance& balance = *neighbours_.balance;
            const unsigned target = balance.choose_other(neighbours_.worker, bound);
            if (target == neighbours_.worker) {
                return;
            }
            balance.remove(neighbours_.worker);
            balance.add(target);
            hand_over(parked_.back(), target);
            parked_.pop_back();
        }
    }
    /// Tells the others whether to leave this worker alone.
    void set_stuck(bool stuck) noexcept {
        if (has_neighbours()) {
            neighbours_.balance->set_stuck(neighbours_.worker, stuck);
        }
    }

    /// For a connection that came to a draining worker.
    void refuse(int descriptor) {
        ++counters_.refused;
        close_other(descriptor);
    }

    /// A connection of this worker has gone.
    void uncount() {
        if (neighbours_.balance != nullptr) {
            neighbours_.balance->remove(neighbours_.worker);
        }
    }

    /// Nothing of the acceptor is in the kernel, and no other worker will hand over anything.
    [[nodiscard]] bool finished() const noexcept {
        const bool listening = std::ranges::any_of(listeners_, [](const Listener& listener) {
            return listener.descriptor >= 0 || listener.cancelling;
        });
        const Balance* balance = neighbours_.balance;
        return !listening && parked_.empty() && others_closing_ == 0 &&
               (balance == nullptr ||
                (balance->accepting() == 0 && balance->count(neighbours_.worker) == 0));
    }

  private:
    struct Listener {
        int descriptor;
        std::uint32_t backlog;
        std::uint32_t armed = 0;  // accepts in the kernel
        bool multishot = false;   // it is one that goes on
        bool cancelling = false;
    };

    static constexpr std::uint32_t single_accepts_max = 32;

    bool has_room_to_arm() {
        const bool room = submitter_.has_room();
        unarmed_ = unarmed_ || !room;
        return room;
    }

    // Cancels all accepts of the listener.
    void cancel(std::uint32_t index) {
        listeners_[index].cancelling = true;
        prepare_cancel_all(submitter_.sqe(), Token{Operation::accept, index, 0},
                           Token{Operation::cancel_accept, index, 0});
    }

    Outcome on_accepted(int descriptor, bool full) {
        Balance* balance = neighbours_.balance;
        if (balance == nullptr) {
            return Outcome::adopt;
        }
        // Others may have stopped already when this worker drains.
        const unsigned target =
            shut_ ? neighbours_.worker : balance->choose(neighbours_.worker, full);
        balance->add(target);
        if (target == neighbours_.worker) {
            return Outcome::adopt;
        }
        hand_over(descriptor, target);
        return Outcome::nothing;
    }

    void hand_over(int descriptor, unsigned target) {
        ++counters_.handed_over;
        const auto number = static_cast<std::uint32_t>(descriptor);
        prepare_message(submitter_.sqe(), neighbours_.ring_descriptors[target], number,
                        Token{Operation::handed_over, 0, 0},
                        Token{Operation::hand_over, number, target});
    }

    Outcome on_failed(int error) {
        if (error == ECANCELED) {
            return Outcome::nothing;
        }
        ++counters_.accept_errors;
        switch (error) {
            // That one connection failed; the next may not: accept(2), "Error handling".
            case ECONNABORTED:
            case EINTR:
            case EAGAIN:
            case EPROTO:
            case ENETDOWN:
            case ENOPROTOOPT:
            case EHOSTDOWN:
            case ENONET:
            case EHOSTUNREACH:
            case EOPNOTSUPP:
            case ENETUNREACH:
            case ETIMEDOUT:
            case EPERM:
                return Outcome::nothing;
            default:
                // Too few descriptors (EMFILE, ENFILE), too little memory, or what we do not know:
                // accepting pauses, so that a lasting error cannot make the loop spin.
                return Outcome::scarcity;
        }
    }

    // A listener is closed once nothing in the kernel holds it: a pending accept would.
    void close_if_done(Listener& listener) {
        if (shut_ && listener.armed == 0 && listener.descriptor >= 0) {
            close_other(std::exchange(listener.descriptor, -1));
        }
    }

    void close_other(int descriptor) {
        ++others_closing_;
        prepare_close(submitter_.sqe(), descriptor, Token{Operation::close_other, 0, 0});
    }

    Submitter<RingType>& submitter_;
    Counters& counters_;
    Neighbours neighbours_;
    std::vector<Listener> listeners_;
    std::deque<int> parked_;
    std::uint32_t others_closing_ = 0;
    bool shut_ = false;
    bool hand_over_failed_ = false;  // since it was taken
    bool unarmed_ = false;           // at the last arm(), and not paused since
};

}  // namespace enduring::core
