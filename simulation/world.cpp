#include "simulation/world.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/buffer_ring.hpp"
#include "core/loop.hpp"
#include "core/peer_counts.hpp"
#include "http/service.hpp"
#include "http/thread_mailbox.hpp"
#include "simulation/client.hpp"
#include "simulation/network.hpp"
#include "simulation/report.hpp"
#include "simulation/ring.hpp"

namespace enduring::simulation {

namespace {

constexpr std::uint64_t hour_us = 3600ULL * 1'000'000;
constexpr std::uint64_t horizon_us = 3 * hour_us;
constexpr std::uint64_t day_us = 24 * hour_us;  // then it ends though clients go on
constexpr std::uint64_t idle_turns_max = 20'000;
constexpr std::uint64_t turns_max = 2'000'000;

// How long, and how often, coroutines are waited for when the server has ended.
constexpr std::uint64_t afterwards_ms = 24 * hour_us / 1'000;
constexpr unsigned afterwards_turns_max = 20'000;

// Stands in for the loop when that has ended: counts who still asks for a connection.
class Afterlife final : public core::Host<http::Session> {
  public:
    Access find(core::ConnectionId) override {
        ++asked_;
        return {};
    }
    void wake(core::ConnectionId) override {}
    core::BlockPool& blocks() override { return blocks_; }
    std::optional<core::Address> peer(core::ConnectionId) override { return std::nullopt; }
    [[nodiscard]] std::uint64_t now_ms() const override { return 0; }

    [[nodiscard]] std::uint64_t asked() const noexcept { return asked_; }

  private:
    core::BlockPool blocks_;
    std::uint64_t asked_ = 0;
};

class World final : public Actors, public Site {
  public:
    World(const MakeWorkload& make_workload, std::uint64_t seed, const Cuts& cuts)
        : faults_(seed, cuts.faults),
          plan_(seed, cuts, faults_),
          workload_(make_workload(*this)),
          network_(timeline_, faults_),
          scene_{adjusted(), *workload_, timeline_, network_},
          ring_(plan_.ring, timeline_, network_, faults_, *this),
          buffers_(plan_.buffers, plan_.buffer_bytes),
          service_(
              workload_->router(), limits(), [] { return std::int64_t{784111777} * 1000; },
              mailbox()) {
        if (plan_.peer_connections_max != 0) {
            peers_.emplace(plan_.connections_max, plan_.peer_connections_max, seed);
        }
        require(buffers_.attach(ring_, 0).has_value(), "the receive buffers are not taken");
        loop_ = std::make_unique<Loop>(ring_, buffers_, service_, options());
        for (std::uint32_t i = 0; i < plan_.listeners; ++i) {
            loop_->add_listener(network_.add_listener(plan_.backlog), plan_.backlog);
        }
        for (std::uint32_t i = 0; i < plan_.clients; ++i) {
            clients_.emplace_back(scene_, i);
        }
        timeline_.schedule(horizon_us, Happening::drain, last_drain);
        if (plan_.drain_at_us != 0) {
            timeline_.schedule(plan_.drain_at_us, Happening::drain, planned_drain);
        }
        if (plan_.second_drain_at_us != 0) {
            timeline_.schedule(plan_.second_drain_at_us, Happening::drain, planned_drain);
        }
    }

    World(const World&) = delete;
    World& operator=(const World&) = delete;

    [[nodiscard]] const Plan& plan() const noexcept { return plan_; }
    [[nodiscard]] const Faults& faults() const noexcept { return faults_; }

    Summary run() {
        std::uint64_t idle_turns = 0;
        std::uint64_t before = 0;
        std::uint64_t timer_before = 0;
        while (!loop_->finished()) {
            loop_->turn();
            answer();
            const std::uint64_t now = ring_.completed() + timeline_.count();
            const std::uint64_t timer = service_.next_ms();
            idle_turns = now == before && timer == timer_before ? idle_turns + 1 : 0;
            before = now;
            timer_before = timer;
            if (idle_turns > idle_turns_max || loop_->counters().turns > turns_max) {
                fail("the loop turns and nothing happens");
            }
            end_if_done();
        }
        judge_end();
        return {.events = ring_.completed() + timeline_.count(),
                .turns = loop_->counters().turns,
                .answers = scene_.answers,
                .faults = ring_.faults_drawn(),
                .clients = plan_.clients,
                .virtual_ms = timeline_.now_us() / 1000};
    }

    // Actors
    void on_event(const Timeline::Entry& entry) override {
        switch (entry.happening) {
            case Happening::client_acts:
                clients_[entry.subject].act(entry.life);
                break;
            case Happening::client_reads:
                clients_[entry.subject].read();
                break;
            case Happening::answer_due:
                due_.push_back(entry.subject);
                ring_.wake();
                break;
            case Happening::drain:
                drain(entry.subject);
                break;
            case Happening::operation_due:
                break;
        }
    }

    // Site
    void later(std::uint64_t delay_ms, std::move_only_function<void()> function) override {
        timeline_.schedule(timeline_.now_us() + delay_ms * 1'000, Happening::answer_due,
                           static_cast<std::uint32_t>(later_.size()));
        later_.push_back(std::move(function));
    }
    int open_file(std::string_view content) override { return network_.open_file(content); }
    void close_file(int descriptor) override { network_.close_file(descriptor); }

  private:
    using Loop = core::Loop<Ring, http::Service>;

    static constexpr std::uint32_t planned_drain = 0;
    static constexpr std::uint32_t last_drain = 1;

    [[nodiscard]] const Plan& adjusted() {
        workload_->adjust(plan_);
        plan_.respect_faults();
        return plan_;
    }

    [[nodiscard]] std::shared_ptr<http::Mailbox> mailbox() {
        return std::make_shared<http::ThreadMailbox>([this, self = std::this_thread::get_id()] {
            if (std::this_thread::get_id() != self) {
                fail("another thread has left something, which cannot be simulated");
            }
            post(core::Command::run);
            return true;
        });
    }
    void post(core::Command command) {
        ring_.post_message(core::pack({core::Operation::command, 0, 0}),
                           static_cast<std::int32_t>(command));
    }

    [[nodiscard]] http::Limits limits() const {
        http::Limits limits = plan_.limits;
        limits.keepalive_timeout_s =
            static_cast<std::uint32_t>(plan_.times.keepalive_timeout_ms / 1000);
        return limits;
    }

    [[nodiscard]] core::LoopOptions options() {
        core::LoopOptions options;
        options.connections_max = plan_.connections_max;
        options.times = plan_.times;
        options.drain_delay_ms = plan_.drain_delay_ms;
        options.drain_timeout_ms = plan_.drain_timeout_ms;
        options.chunks_max = plan_.chunks_max;
        options.peers = peers_ ? &*peers_ : nullptr;
        return options;
    }

    // Answers that handlers owe, as other work of the loop's thread would give them.
    void answer() {
        for (const std::uint32_t number : due_) {
            note(timeline_.now_us(), "what a handler waits for is there");
            later_[number]();
        }
        due_.clear();
    }

    void drain(std::uint32_t kind) {
        if (kind == last_drain && goes_on() && timeline_.now_us() < day_us) {
            timeline_.schedule(timeline_.now_us() + hour_us, Happening::drain, last_drain);
            return;
        }
        note(timeline_.now_us(), "the server is told to stop");
        if (scene_.drain_us == Timeline::never) {
            scene_.drain_us = timeline_.now_us();
            scene_.drain_run_us = timeline_.run_us();
        } else {
            scene_.second_drain_us = timeline_.now_us();
        }
        post(core::Command::drain);
    }

    // Much that is sent slowly takes hours.
    [[nodiscard]] bool goes_on() const {
        const std::uint64_t now_us = timeline_.now_us();
        bool clients_go_on = false;
        std::string stuck;
        for (const Client& client : clients_) {
            if (!client.done() && now_us - client.progress_us() >= hour_us) {
                stuck += (stuck.empty() ? "" : "; ") + client.text();
            }
            clients_go_on = clients_go_on || !client.done();
        }
        if (!stuck.empty()) {
            fail("a client has made no progress for hours", stuck);
        }
        const bool drains = scene_.drain_us != Timeline::never;
        if (drains && !clients_go_on && now_us - scene_.drain_us >= hour_us) {
            fail("the drain does not end");
        }
        return drains || clients_go_on;
    }

    void end_if_done() {
        if (scene_.drain_us != Timeline::never) {
            return;
        }
        while (done_ < clients_.size() && clients_[done_].done()) {
            ++done_;
        }
        if (done_ == clients_.size()) {
            drain(planned_drain);
        }
    }

    void judge_end() {
        for (Client& client : clients_) {
            client.end_of_run();
        }
        later_.clear();  // nobody waits for them any more
        const Workload::Freedoms freedoms = workload_->freedoms();
        if (freedoms.to_go_on) {
            finish_coroutines();
        }
        require(service_.coroutines().size() == 0, "a coroutine waits though its request has gone");
        require(service_.coroutines().frames().bytes() == 0, "a frame has not come back");
        require(freedoms.to_throw || service_.handlers_threw() == 0,
                "a handler, or a function called for one, has ended with an exception");
        buffers_.publish();
        ring_.buffers().observe();
        const core::Counters& counters = loop_->counters();
        require(counters.closed_total() == counters.accepted,
                "the connections closed are not those accepted");
        require(counters.late_completions == 0, "a completion came after its connection's end");
        require(loop_->connections() == 0, "a connection is left");
        require(loop_->chunks_lent() == 0, "a chunk has not come back");
        require(service_.blocks().lent() == 0, "an output block has not come back");
        require(service_.inputs().lent() == 0, "an input buffer has not come back");
        require(buffers_.lent() == 0, "a receive buffer is still lent");
        require(ring_.buffers().available() == plan_.buffers,
                "a receive buffer has not come back to the kernel");
        require(ring_.outstanding() == 0, "an operation is still in the kernel");
        require(network_.open_descriptors() == 0, "a descriptor is still open");
        require(destroy_workload() == 0 || freedoms.to_keep_responders,
                "a responder or a response stream was kept though its request has gone");
    }

    // Those that go on after their answers wait for timers.
    void finish_coroutines() {
        std::uint64_t now_ms = plan_.ring.clock_base_ms + timeline_.now_us() / 1'000;
        const std::uint64_t until_ms = now_ms + afterwards_ms;
        for (unsigned i = 0; i < afterwards_turns_max && service_.coroutines().size() > 0; ++i) {
            service_.begin_turn(now_ms * 1'000);
            if (service_.next_ms() > until_ms) {
                return;
            }
            now_ms = std::max(now_ms, service_.next_ms());
        }
    }

    // Gives how many responders its handlers had kept, at least: each of them asks for its
    // connection when it is destroyed.
    std::uint64_t destroy_workload() {
        service_.end();
        Afterlife afterlife;
        service_.attach(&afterlife);
        workload_.reset();
        service_.attach(nullptr);
        return afterlife.asked();
    }

    static void require(bool condition, const char* what) {
        if (!condition) {
            fail(what);
        }
    }

    Faults faults_;
    Plan plan_;
    std::unique_ptr<Workload> workload_;
    Timeline timeline_;
    Network network_;
    Scene scene_;
    Ring ring_;
    core::BufferRing buffers_;
    http::Service service_;
    std::optional<core::PeerCounts> peers_;
    std::unique_ptr<Loop> loop_;
    std::deque<Client> clients_;
    std::size_t done_ = 0;
    std::deque<std::move_only_function<void()>> later_;
    std::vector<std::uint32_t> due_;
};

}  // namespace

Summary run(const MakeWorkload& make_workload, std::uint64_t seed, const Cuts& cuts,
            const OnPlan& on_plan) {
    const auto world = std::make_unique<World>(make_workload, seed, cuts);
    if (on_plan) {
        on_plan(world->plan(), world->faults());
    }
    return world->run();
}

}  // namespace enduring::simulation
