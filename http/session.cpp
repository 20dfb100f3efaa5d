#include "http/session.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "core/check.hpp"
#include "http/service.hpp"
#include "http/writer.hpp"

namespace enduring::http {

namespace {

// What a request keeps that has no content, or a small one.
constexpr std::size_t small_input_bytes = 32 * 1024;

}  // namespace

using core::Need;
using core::Progress;
using core::Reason;

// ---- what the loop calls -----------------------------------------------------------------------

Progress Session::receive(Service& service, core::SendQueue& output, std::string_view bytes) {
    if (full_) {
        tell_room(service, output);
    }
    if (state_ == State::answer || stalled_ || paused_) {
        keep(service, bytes);
        bound_input(service, output);
        return progress(service);
    }
    return run(service, output, bytes);
}

Progress Session::resume(Service& service, core::SendQueue& output) {
    stalled_ = stalled_ && output.size_bytes() > 0;
    if (full_) {
        tell_room(service, output);
    }
    if (state_ == State::answer || stalled_) {
        return report(service);
    }
    return run(service, output, {});
}

Progress Session::finish_input(Service& service, core::SendQueue& output) {
    input_finished_ = true;
    return resume(service, output);
}

Progress Session::time_out(Service& service, core::SendQueue& output) {
    // The lifecycle has given the reason already.
    if (state_ == State::ended || (state_ == State::head && !has_pending())) {
        // It was answered at the last moment.
        end(Reason::server_close);
        give_input_back(service);
        return progress(service);
    }
    if (state_ == State::head) {
        forget_request(service, source({}));
    }
    refuse(
        service, output,
        state_ == State::answer || paused_ ? Status::service_unavailable : Status::request_timeout,
        Reason::protocol_error);
    give_input_back(service);
    return progress(service);
}

Progress Session::break_off(Service& service) noexcept {
    spoil_output(Reason::overload);
    give_input_back(service);
    return progress(service);
}

void Session::close(Service& service) {
    state_ = State::ended;
    service.record([this](AccessRecorder& recorder) { recorder.closed(id_.slot); });
    give_input_back(service);
}

bool Session::answer(Service& service, core::SendQueue& output, Response&& response) {
    if (state_ == State::content) {
        refuse_to_persist();  // nobody takes the rest of the content
    }
    if (input_ != nullptr && input_->pieces != nullptr) {
        input_->pieces->done = true;
    }
    write(service, output, std::move(response));
    return !in_handler_;
}

// ---- the way of the bytes ----------------------------------------------------------------------

// Takes messages as long as there are bytes, room in the output, and answers.
Progress Session::run(Service& service, core::SendQueue& output, std::string_view fresh) {
    if (output.size_bytes() == 0) {
        answers_unsent_ = 0;
    }
    bool go_on = true;
    while (go_on) {
        switch (state_) {
            case State::head:
                drop_pieces(service);
                go_on = take_head(service, output, fresh);
                break;
            case State::content:
                go_on = take_content(service, output, fresh);
                break;
            case State::answer:
            case State::ended:
                go_on = false;
                break;
        }
    }
    if (state_ != State::ended && !fresh.empty()) {
        keep(service, fresh);
    }
    if (input_finished_ && !stalled_ && !paused_ && state_ != State::answer &&
        state_ != State::ended) {
        // The last request is incomplete, or there is none.
        if (state_ == State::content || has_pending()) {
            if (state_ == State::head) {
                forget_request(service, source({}));
            }
            refuse(service, output, Status::bad_request, Reason::peer_truncated);
        } else {
            end(Reason::peer);
        }
    }
    if (state_ == State::ended || (state_ == State::head && !has_pending())) {
        give_input_back(service);
    }
    bound_input(service, output);
    return report(service);
}

// Each piece that was taken or made begins the handler's time anew.
Progress Session::report(const Service& service) noexcept {
    Progress result = progress(service);
    result.new_message = new_message_;
    result.moved = moved_ && result.need == Need::answer;
    new_message_ = false;
    moved_ = false;
    return result;
}

// Bytes that were kept come before those that have just arrived.
std::string_view Session::source(std::string_view fresh) const noexcept {
    return has_pending() ? input_->unconsumed() : fresh;
}

void Session::consume(std::string_view& fresh, std::size_t bytes) noexcept {
    if (has_pending()) {
        input_->consumed += bytes;
    } else {
        fresh.remove_prefix(bytes);
    }
}

void Session::keep(Service& service, std::string_view bytes) {
    if (input_ == nullptr) {
        input_ = service.inputs().take();
    }
    input_->append(bytes);
}

// Ends a connection that keeps more than it may, or that asks for memory when all is used up.
void Session::bound_input(Service& service, core::SendQueue& output) {
    if (input_ == nullptr) {
        return;
    }
    const Limits& limits = service.limits();
    const bool waits = state_ == State::answer || stalled_ || paused_ || begun_;
    // The last eighth is for what is small: else a few large contents that never end would keep
    // everybody from sending a request in two pieces.
    const std::uint64_t used_bytes = service.inputs().count(*input_);
    const std::uint64_t kept_bytes =
        input_->counted_bytes <= small_input_bytes ? 0 : limits.buffered_bytes_max / 8;
    const bool scarce = used_bytes > limits.buffered_bytes_max - kept_bytes;
    if (!scarce && !(waits && input_->unconsumed().size() > limits.held_bytes_limit)) {
        return;
    }
    if (waits) {
        // Answers that nobody reads are waiting, or one that is not known yet: none can be added.
        if (begun_) {
            spoil_output(Reason::overload);
        }
        end(Reason::overload);
    } else {
        if (state_ == State::head) {
            forget_request(service, source({}));
        }
        refuse(service, output, Status::service_unavailable, Reason::overload);
    }
    give_input_back(service);
}

void Session::give_input_back(Service& service) {
    if (input_ != nullptr) {
        drop_pieces(service);
        service.inputs().give(std::exchange(input_, nullptr));
    }
}

namespace {

// A head is bounded by far less than what these numbers hold.
std::uint32_t size_of(std::string_view bytes) noexcept {
    return static_cast<std::uint32_t>(std::min<std::size_t>(bytes.size(), ~std::uint32_t{0}));
}

}  // namespace

// False when nothing more can be done now.
bool Session::take_head(Service& service, core::SendQueue& output, std::string_view& fresh) {
    if (has_pending() && !fresh.empty()) {
        input_->append(std::exchange(fresh, {}));
    }
    skip_empty_lines(fresh);
    const bool in_place = !has_pending();
    const std::string_view bytes = source(fresh);
    if (bytes.empty()) {
        return false;
    }
    const Limits& limits = service.limits();
    const bool many_unsent = answers_unsent_ >= limits.pipelined_max && output.size_bytes() > 0;
    if (many_unsent || output.size_bytes() >= limits.output_bytes_max) {
        stalled_ = true;
        return false;
    }
    if (!in_place) {
        return parse_kept(service, output, fresh);
    }
    if (const KnownHead* known = service.heads().find(bytes)) {
        begin_known(service, output, *known);
        fresh.remove_prefix(known->size);
        return true;
    }
    return parse_in_place(service, output, fresh);
}

// Empty lines before a request line are no part of a request: RFC 9112 §2.2.
void Session::skip_empty_lines(std::string_view& fresh) {
    constexpr std::string_view empty_line = "\r\n";
    while (source(fresh).starts_with(empty_line)) {
        if (has_pending()) {
            if (input_->parser.parsed() > empty_line.size()) {
                return;
            }
            input_->parser.start();
        }
        consume(fresh, empty_line.size());
    }
}

// Goes on with a head whose beginning was kept.
bool Session::parse_kept(Service& service, core::SendQueue& output, std::string_view& fresh) {
    const std::string_view bytes = input_->unconsumed();
    const HeadParser::Outcome outcome =
        input_->parser.parse(input_->head, bytes.data(), size_of(bytes), service.limits().head);
    if (outcome.kind == HeadParser::Outcome::Kind::incomplete) {
        return false;
    }
    if (outcome.kind == HeadParser::Outcome::Kind::refused) {
        forget_request(service, bytes);
        refuse(service, output, outcome.status, Reason::protocol_error);
        return false;
    }
    const Framing framing = frame(input_->head, bytes.data());
    service.router().find(input_->head.method, framing.path, service.match());
    begin_exchange(service, output, Received{input_->head, bytes.data(), outcome.size}, framing,
                   service.match(), fresh);
    return true;
}

// Parses a head where it arrived; only if it is incomplete it is kept.
bool Session::parse_in_place(Service& service, core::SendQueue& output, std::string_view& fresh) {
    KnownHead& entry = service.heads().next();
    HeadParser& parser = service.parser();
    parser.start();
    const HeadParser::Outcome outcome =
        parser.parse(entry.head, fresh.data(), size_of(fresh), service.limits().head);
    if (outcome.kind == HeadParser::Outcome::Kind::incomplete) {
        keep(service, std::exchange(fresh, {}));
        input_->parser = parser;
        std::swap(input_->head, entry.head);
        return false;
    }
    if (outcome.kind == HeadParser::Outcome::Kind::refused) {
        forget_request(service, fresh);
        refuse(service, output, outcome.status, Reason::protocol_error);
        return false;
    }
    // A head of usual size moves into the memory, where its meaning can be used again.
    const char* base = fresh.data();
    if (outcome.size <= KnownHead::bytes_max) {
        std::memcpy(entry.bytes.data(), base, outcome.size);
        base = entry.bytes.data();
    }
    entry.framing = frame(entry.head, base);
    service.router().find(entry.head.method, entry.framing.path, entry.match);
    if (base != fresh.data() && entry.framing.content == Framing::Content::none &&
        entry.framing.refusal == Status::ok && !entry.match.is_streamed()) {
        entry.size = outcome.size;
        begin_known(service, output, entry);
        fresh.remove_prefix(outcome.size);
        return true;
    }
    begin_exchange(service, output, Received{entry.head, base, outcome.size}, entry.framing,
                   entry.match, fresh);
    return true;
}

void Session::begin_request(Service& service, const RequestHead& head, const char* base,
                            const Framing& framing) noexcept {
    service.record([&](AccessRecorder& recorder) {
        service.name_peer(id_);
        recorder.begin(id_.slot, head, base);
    });
    ++requests_;
    new_message_ = true;
    begun_at_ = service.meter().turn();
    method_ = static_cast<std::uint8_t>(head.method);
    head_only_ = head.method == Method::head;
    old_version_ = head.minor_version == 0;
    persistent_ = framing.persistent;
}

// True: the request was refused for what it is, or for whom it comes from.
bool Session::refuse_if_bad(Service& service, core::SendQueue& output, const Framing& framing) {
    if (retire_reason_ == Reason::connections_per_ip) [[unlikely]] {
        refuse(service, output, Status::too_many_requests, retire_reason_);
        return true;
    }
    if (framing.refusal != Status::ok) {
        refuse(service, output, framing.refusal, Reason::protocol_error);
        return true;
    }
    return false;
}

// A request without content whose head lies in the memory.
void Session::begin_known(Service& service, core::SendQueue& output, const KnownHead& known) {
    begin_request(service, known.head, known.bytes.data(), known.framing);
    if (refuse_if_bad(service, output, known.framing)) {
        return;
    }
    dispatch(service, output,
             Request(known.head, known.bytes.data(), known.framing, {},
                     known.match.used_parameters(), &service, id_),
             known.match);
}

void Session::begin_exchange(Service& service, core::SendQueue& output, const Received& received,
                             const Framing& framing, const Router::Match& match,
                             std::string_view& fresh) {
    begin_request(service, received.head, received.base, framing);
    if (refuse_if_bad(service, output, framing)) {
        return;
    }
    if (framing.content != Framing::Content::none || match.is_streamed()) {
        begin_content(service, output, received, framing, match, fresh);
        return;
    }
    // The handler's views point into the bytes, which stay until they are consumed.
    const Request request(received.head, received.base, framing, {}, match.used_parameters(),
                          &service, id_);
    dispatch(service, output, request, match);
    consume(fresh, received.size);
    if (input_ != nullptr) {
        input_->head.clear();
        input_->parser.start();
    }
}

// The next answer is to a request of which no head could be made from these bytes. The refusal of a
// HEAD, too, must not have content (RFC 9110 §9.3.2). Empty lines have been taken off before.
void Session::forget_request(Service& service, std::string_view bytes) noexcept {
    service.record([&](AccessRecorder& recorder) { recorder.refuse(id_.slot, bytes); });
    begun_at_ = service.meter().turn();
    method_ = methodless;
    head_only_ = bytes.starts_with("HEAD ");
    old_version_ = false;
}

void Session::end(Reason reason) noexcept {
    state_ = State::ended;
    stalled_ = false;
    paused_ = false;
    begun_ = false;
    full_ = false;
    if (reason_ == Reason::none) {
        reason_ = reason;
    }
}

void Session::spoil_output(Reason reason) noexcept {
    broken_ = true;
    reason_ = reason;
    end(reason_);
}

Progress Session::progress(const Service& service) const noexcept {
    Progress result;
    switch (state_) {
        case State::ended:
            result.need = Need::nothing;
            result.reason = reason_;
            result.broken = broken_;
            return result;
        case State::answer:
            result.need = full_ ? Need::room : Need::answer;
            break;
        case State::content:
            result.need = full_ ? Need::room : paused_ ? Need::answer : Need::content;
            if (!paused_) {
                return result;
            }
            break;
        case State::head:
            if (!stalled_) {
                result.need = has_pending() ? Need::head : Need::request;
                return result;
            }
            result.need = Need::room;
            break;
    }
    result.hold_input =
        has_pending() && input_->unconsumed().size() >= service.limits().held_bytes_max;
    return result;
}

}  // namespace enduring::http
