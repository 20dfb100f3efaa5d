// The session's part for contents and responses that come in pieces.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "core/check.hpp"
#include "http/service.hpp"
#include "http/session.hpp"
#include "http/status.hpp"
#include "http/writer.hpp"

namespace enduring::http {

using core::Reason;

// ---- both --------------------------------------------------------------------------------------

Pieces& Session::pieces(Service& service) {
    if (input_ == nullptr) {
        input_ = service.inputs().take();
    }
    if (input_->pieces == nullptr) {
        input_->pieces = std::make_unique<Pieces>();
    }
    return *input_->pieces;
}

// Never while one of the functions runs: they may end the exchange.
void Session::drop_pieces(Service& service) noexcept {
    if (input_ == nullptr || input_->pieces == nullptr) {
        return;
    }
    const std::unique_ptr<Pieces> dropped = std::move(input_->pieces);
    if (dropped->done) {
        return;
    }
    if (dropped->on_gone) {
        call(service, dropped->on_gone);
    }
    if (dropped->coroutine != 0) {
        service.coroutines().cancel(dropped->coroutine);
    }
}

// ---- a request's content -----------------------------------------------------------------------

// The head is kept; the handler is called before any content is taken.
void Session::begin_pieces(Service& service, const Framing& framing, bool awaits_continue) {
    pieces(service).awaits_continue = awaits_continue;
    paused_ = true;
    const Request request(input_->head, input_->head_bytes.data(), framing, {},
                          input_->match.used_parameters(), &service, id_);
    call_handler(service, request, input_->match);
}

bool Session::take_pieces(Service& service, core::SendQueue& output, ContentFunction function) {
    Pieces& taken = pieces(service);
    ENDURING_CHECK(!taken.on_content, "the content of a request is taken twice");
    ENDURING_CHECK(state_ == State::content, "the content of this route does not come in pieces");
    taken.on_content = std::move(function);
    if (std::exchange(taken.awaits_continue, false) && !begun_) {
        try {
            write_continue(output, service.blocks());
        } catch (const std::bad_alloc&) {
            spoil_output(Reason::overload);
        }
    }
    return pause(false);
}

bool Session::pause(bool pauses) noexcept {
    if (state_ == State::content) {
        paused_ = pauses || !input_->pieces->on_content;
    }
    return !in_handler_;
}

// True: the content has ended, or nobody wants more of it.
bool Session::take_streamed(Service& service, core::SendQueue& output, std::string_view& source) {
    while (state_ == State::content) {
        std::string_view piece;
        bool last = false;
        if (paused_ || !next_piece(service, output, source, piece, last)) {
            return state_ != State::content;
        }
        if (last) {
            state_ = State::answer;
            new_message_ = true;
            forget_content();
        }
        deliver(service, output, piece, last);
    }
    return true;
}

// False: there is none now, or the content is refused.
bool Session::next_piece(Service& service, core::SendQueue& output, std::string_view& source,
                         std::string_view& piece, bool& last) {
    if (!is_chunked_) {
        const auto size =
            static_cast<std::size_t>(std::min<std::uint64_t>(input_->content_bytes, source.size()));
        piece = source.substr(0, size);
        source.remove_prefix(size);
        input_->content_bytes -= size;
        last = input_->content_bytes == 0;
        return last || size > 0;
    }
    for (;;) {
        const ChunkedDecoder::Step step = input_->chunked.decode(source);
        source.remove_prefix(step.taken);
        input_->content_bytes += step.content.size();
        if (step.outcome == ChunkedDecoder::Outcome::invalid) {
            refuse(service, output, Status::bad_request, Reason::protocol_error);
            return false;
        }
        if (input_->content_bytes + input_->chunked.announced_bytes() >
            service.limits().content_bytes_max) {
            refuse(service, output, Status::content_too_large, Reason::protocol_error);
            return false;
        }
        piece = step.content;
        last = step.outcome == ChunkedDecoder::Outcome::complete;
        if (step.outcome != ChunkedDecoder::Outcome::content || !piece.empty()) {
            return last || !piece.empty();
        }
    }
}

void Session::deliver(Service& service, core::SendQueue& output, std::string_view piece,
                      bool last) {
    moved_ = true;
    const bool returned = call(service, [&] { input_->pieces->on_content(piece, last); });
    if (!returned && (state_ == State::content || state_ == State::answer)) {
        refuse(service, output, Status::internal_server_error, Reason::server_close);
    }
}

// ---- a response --------------------------------------------------------------------------------

bool Session::begin(Service& service, core::SendQueue& output, Response&& head,
                    std::optional<std::uint64_t> size) {
    try {
        put_head(service, output, std::move(head), size);
    } catch (const std::bad_alloc&) {
        spoil_output(Reason::overload);
    }
    return !in_handler_;
}

void Session::put_head(Service& service, core::SendQueue& output, Response&& head,
                       std::optional<std::uint64_t> size) {
    using Mode = Pieces::Mode;
    ENDURING_CHECK(head.content_size() == 0, "a response in pieces has a content of its own");
    Pieces& made = pieces(service);
    made.status = head.status();
    made.response_bytes_left = size.value_or(0);
    made.mode = head_only_ || forbids_content(head.status()) ? Mode::none
                : size                                       ? Mode::sized
                : old_version_                               ? Mode::until_close
                                                             : Mode::chunked;
    const bool until_close = !size && old_version_;
    made.reason = ending_after(service.limits(), head.closes() || until_close);
    WriteContext context;
    context.head_only = true;
    context.preamble = service.preamble(head);
    context.chunked = !size && !old_version_;
    context.without_length = until_close;
    describe_connection(service.limits(), made.reason != Reason::none, context);
    head.content_size(size.value_or(0));
    service.record([&, status = head.status()](AccessRecorder& recorder) {
        recorder.head_written(id_.slot, status);
    });
    write_response(output, service.blocks(), std::move(head), context);
    begun_ = true;
    moved_ = true;
    if (made.mode == Mode::none) {
        complete_response(service);  // nobody waits for a content
    }
}

bool Session::write_piece(Service& service, core::SendQueue& output, std::string_view bytes) {
    if (!begun_ || bytes.empty()) {
        return false;
    }
    Pieces& made = *input_->pieces;
    const bool too_much =
        made.mode == Pieces::Mode::sized && bytes.size() > made.response_bytes_left;
    if (too_much) {
        service.on_handler_threw();
        spoil_output(Reason::content_failed);
        return !in_handler_;
    }
    // Whoever does not look at the room must not take all memory.
    if (service.blocks().output_bytes() + bytes.size() > service.limits().buffered_bytes_max) {
        spoil_output(Reason::overload);
        return !in_handler_;
    }
    try {
        if (made.mode == Pieces::Mode::chunked) {
            write_chunk(output, service.blocks(), bytes);
        } else {
            output.append(bytes, service.blocks());
            made.response_bytes_left -= made.mode == Pieces::Mode::sized ? bytes.size() : 0;
        }
    } catch (const std::bad_alloc&) {
        spoil_output(Reason::overload);
        return !in_handler_;
    }
    service.record(
        [&](AccessRecorder& recorder) { recorder.piece_written(id_.slot, bytes.size()); });
    moved_ = true;
    full_ = full_ || output.size_bytes() >= service.limits().output_bytes_max;
    return !in_handler_;
}

bool Session::finish(Service& service, core::SendQueue& output, bool whole) {
    if (!begun_) {
        return false;
    }
    Pieces& made = *input_->pieces;
    made.done = true;
    const bool lacks_some = made.mode == Pieces::Mode::sized && made.response_bytes_left > 0;
    if (!whole || lacks_some) {
        spoil_output(Reason::content_failed);
        return !in_handler_;
    }
    if (made.mode == Pieces::Mode::chunked) {
        try {
            write_last_chunk(output, service.blocks());
        } catch (const std::bad_alloc&) {
            spoil_output(Reason::overload);
            return !in_handler_;
        }
    }
    complete_response(service);
    return !in_handler_;
}

void Session::complete_response(Service& service) noexcept {
    service.record([this](AccessRecorder& recorder) { recorder.finished(id_.slot); });
    service.meter().answered(method_, input_->pieces->status, begun_at_);
    const Reason reason = input_->pieces->reason;
    input_->pieces->done = true;
    begun_ = false;
    full_ = false;
    ++answers_unsent_;
    if (state_ == State::content) {
        end(reason == Reason::none ? Reason::server_close : reason);  // nobody takes the rest
        return;
    }
    state_ = State::head;
    if (reason != Reason::none) {
        end(reason);
    }
}

// Half of the output has gone: more is wanted.
void Session::tell_room(Service& service, const core::SendQueue& output) {
    if (output.size_bytes() > service.limits().output_bytes_max / 2) {
        return;
    }
    full_ = false;
    // The function may set another one in its place.
    EventFunction function = std::exchange(input_->pieces->on_room, {});
    if (!function) {
        return;
    }
    input_->pieces->on_room_set = false;
    call(service, function);
    if (!input_->pieces->on_room_set) {
        input_->pieces->on_room = std::move(function);
    }
}

}  // namespace enduring::http
