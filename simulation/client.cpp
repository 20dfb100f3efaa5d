#include "simulation/client.hpp"

#include <algorithm>

#include "simulation/report.hpp"
#include "simulation/workload.hpp"

namespace enduring::simulation {

namespace {

constexpr std::uint64_t first_client_stream = 100;
constexpr std::uint64_t continue_patience_us = 1'000'000;

}  // namespace

Client::Client(Scene& scene, std::uint32_t number)
    : scene_(scene),
      number_(number),
      socket_(scene.network.make_socket(number)),
      judge_(scene, number, socket_, manner_, exchanges_) {
    const Plan& plan = scene.plan;
    Random random(plan.seed, first_client_stream + number);
    manner_ = draw_manner(random);
    exchanges_ = scene.workload.make_exchanges(random, plan, manner_);
    if (exchanges_.size() > plan.cuts.requests_max) {
        exchanges_.resize(plan.cuts.requests_max);
    }
    connect_us_ = 1 + random.below(plan.arrival_us_max);
    listener_ = static_cast<std::uint32_t>(random.below(plan.listeners));
    Socket& socket = scene_.network.socket(socket_);
    socket.peer = random.below(3);
    socket.read_delay_us = manner_.read_delay_us;
    socket.input_capacity = random.pick<std::size_t>({300, 4'000, 65'536});
    socket.output_capacity = random.pick<std::size_t>({200, 4'000, 65'536});
    if ((plan.cuts.clients & (1ULL << number)) != 0) {
        done_ = true;
        return;
    }
    act_at(connect_us_);
}

void Client::act_at(std::uint64_t at_us) {
    appointment_us_ = std::max(at_us, now_us());
    scene_.timeline.schedule(appointment_us_, Happening::client_acts, number_, ++life_);
}

void Client::act(std::uint32_t life) {
    constexpr std::uint32_t room_came = ~0U;
    if (done_ || (life != life_ && life != room_came)) {
        return;
    }
    if (life == life_) {
        appointment_us_ = Timeline::never;
    }
    if (!connected_) {
        if (life != room_came) {
            connect();
        }
        return;
    }
    if (manner_.end == Manner::End::resets && now_us() >= connect_us_ + manner_.reset_us) {
        reset();
        return;
    }
    write();
}

void Client::connect() {
    if (!scene_.network.connect(socket_, listener_)) {
        note(now_us(), "client {} cannot connect", number_);
        if (scene_.network.listener(listener_).open && scene_.drain_us == Timeline::never) {
            act_at(now_us() + 100'000);  // the queue is full: it tries again
        } else {
            done_ = true;
        }
        return;
    }
    note(now_us(), "client {} connects", number_);
    connected_ = true;
    connect_us_ = now_us();
    progress_us_ = connect_us_;
    judge_.on_connected();
    write();
    if (!done_ && manner_.end == Manner::End::resets) {
        act_at(std::min(appointment_us_, connect_us_ + manner_.reset_us));
    }
}

// ---- sending -----------------------------------------------------------------------------------

bool Client::may_begin() const noexcept {
    if (sending_ >= exchanges_.size() || sending_ - judge_.answered() >= manner_.depth) {
        return false;
    }
    return !judge_.said_close() || manner_.goes_on;
}

// How much of a request the client ever sends.
std::size_t Client::end_of(std::size_t exchange) const noexcept {
    const std::size_t size = exchanges_[exchange].request.size();
    return manner_.end == Manner::End::falls_silent && exchange + 1 == exchanges_.size()
               ? std::min<std::size_t>(size, manner_.silent_bytes)
               : size;
}

void Client::write() {
    while (write_piece()) {
    }
    if (done_ || all_sent_ || sending_ < exchanges_.size()) {
        return;
    }
    all_sent_ = true;
    if (manner_.end == Manner::End::finishes) {
        note(now_us(), "client {} finishes", number_);
        judge_.on_finished();
        scene_.network.finish(socket_);
    }
    if (exchanges_.empty()) {
        leave();
    }
}

// False: nothing more can be sent now. Then there is an appointment, or something will happen.
bool Client::write_piece() {
    if (sending_ >= exchanges_.size() || (sent_ == 0 && !may_begin())) {
        return false;
    }
    if (now_us() < next_us_) {
        if (appointment_us_ > next_us_) {
            act_at(next_us_);
        }
        return false;
    }
    Exchange& exchange = exchanges_[sending_];
    std::size_t end = end_of(sending_);
    if (sent_ >= end) {
        return false;  // silent from now on
    }
    if (exchange.awaits_continue && sent_ >= exchange.head_bytes) {
        const bool asked = judge_.answered() == sending_ && judge_.may_continue();
        content_us_ =
            content_us_ == Timeline::never ? now_us() + continue_patience_us : content_us_;
        if (!asked && now_us() < content_us_) {
            if (appointment_us_ > content_us_) {
                act_at(content_us_);
            }
            return false;
        }
    } else if (exchange.awaits_continue) {
        end = std::min(end, exchange.head_bytes);
    }
    std::size_t size = end - sent_;
    if (manner_.write_piece != 0) {
        size = std::min<std::size_t>(size, manner_.write_piece);
        next_us_ = now_us() + manner_.write_gap_us;
    }
    const std::size_t count =
        scene_.network.write(socket_, std::string_view(exchange.request).substr(sent_, size));
    if (count == 0) {
        return false;
    }
    note(now_us(), "client {} sends {} bytes of request {}: {}", number_, count, sending_ + 1,
         sent_ == 0 ? exchange.request.substr(0, exchange.request.find("\r\n")) : "");
    judge_.on_sent(sending_, sent_, sent_ + count);
    progress_us_ = now_us();
    sent_ += count;
    if (sent_ == exchange.request.size()) {
        ++sending_;
        sent_ = 0;
        content_us_ = Timeline::never;
        next_us_ = std::max(next_us_, now_us() + (manner_.depth == 1 ? 0 : manner_.think_us));
    }
    return count == size;
}

// ---- reading -----------------------------------------------------------------------------------

void Client::read() {
    Socket& socket = scene_.network.socket(socket_);
    socket.read_scheduled = false;
    if (done_) {
        return;
    }
    const std::size_t answered_before = judge_.answered();
    const bool continued_before = judge_.may_continue();
    std::string_view bytes = socket.output.waiting();
    if (manner_.read_piece != 0) {
        bytes = bytes.substr(0, manner_.read_piece);
    }
    if (!bytes.empty()) {
        progress_us_ = now_us();
        judge_.take(bytes);
        socket.output.take(bytes.size());
        scene_.network.on_read(socket_);
    }
    if (!socket.output.empty()) {
        socket.read_scheduled = true;
        scene_.timeline.schedule(now_us() + manner_.read_delay_us, Happening::client_reads,
                                 number_);
    } else if (socket.reset_by_server || socket.write_shut) {
        judge_.end(socket.reset_by_server);
        leave();
        return;
    }
    if (manner_.end == Manner::End::leaves && judge_.answered() == exchanges_.size() &&
        !judge_.in_response()) {
        leave();
        return;
    }
    if (judge_.answered() != answered_before || judge_.may_continue() != continued_before) {
        if (judge_.answered() != answered_before && manner_.depth == 1) {
            next_us_ = std::max(next_us_, now_us() + manner_.think_us);
        }
        write();
    }
}

void Client::end_of_run() {
    if (done_ || !connected_) {
        return;
    }
    // What has been sent to it is read to the end, without delay.
    Socket& socket = scene_.network.socket(socket_);
    judge_.take(socket.output.waiting());
    socket.output.clear();
    if (!socket.reset_by_server && !socket.write_shut) {
        fail("the server has ended and a client has not been told", core::formatted("{}", number_));
    }
    judge_.end(socket.reset_by_server);
    leave();
}

std::string Client::text() const {
    const std::size_t answered = judge_.answered();
    if (!connected_) {
        return core::formatted("client {} is not connected", number_);
    }
    if (answered >= exchanges_.size()) {
        return core::formatted("client {} has all answers, and waits for the end of its connection",
                               number_);
    }
    return core::formatted("client {} waits for the answer to its request {}: {}", number_,
                           answered + 1, exchanges_[answered].line());
}

void Client::leave() {
    note(now_us(), "client {} closes", number_);
    done_ = true;
    scene_.network.leave(socket_);
}

void Client::reset() {
    note(now_us(), "client {} resets", number_);
    done_ = true;
    scene_.network.reset(socket_);
}

}  // namespace enduring::simulation
