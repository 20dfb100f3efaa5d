// The session's part that takes a request's content: whether it is read at all, its end, its
// bounds.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "http/service.hpp"
#include "http/session.hpp"
#include "http/writer.hpp"

namespace enduring::http {

using core::Reason;

namespace {

// What is reserved at once for a content whose length is known; a longer one grows as it comes, so
// that a promise alone costs little.
constexpr std::uint64_t content_reserve_bytes_max = 4 * 1024;

}  // namespace

void Session::begin_content(Service& service, core::SendQueue& output, const Received& received,
                            const Framing& framing, const Router::Match& match,
                            std::string_view& fresh) {
    const Limits& limits = service.limits();
    const bool sized = framing.content != Framing::Content::chunked;
    const std::string_view behind = source(fresh).substr(received.size);
    buffered_ = match.kind == Router::Match::Kind::found && match.mode == ContentMode::buffered;
    streamed_ = match.is_streamed();
    if ((buffered_ || streamed_) && sized && framing.content_bytes > limits.content_bytes_max) {
        refuse(service, output, Status::content_too_large, Reason::protocol_error);
        return;
    }
    const auto answer_now = [&](std::string_view content) {
        const Request request(received.head, received.base, framing, content,
                              match.used_parameters(), &service, id_);
        dispatch(service, output, request, match);
    };
    // A content that nobody wants and that is large, or whose client waits to be asked for it, is
    // not read: the answer says that the connection ends.
    if (!buffered_ && !streamed_ &&
        ((sized && framing.content_bytes > limits.discard_bytes_max) ||
         (framing.expects_continue && behind.empty()))) {
        refuse_to_persist();
        answer_now({});
        consume(fresh, received.size);
        return;
    }
    if (!streamed_ && sized && behind.size() >= framing.content_bytes) {
        const auto size = static_cast<std::size_t>(framing.content_bytes);
        answer_now(buffered_ ? behind.substr(0, size) : std::string_view());
        consume(fresh, received.size + size);
        if (input_ != nullptr) {
            input_->head.clear();
            input_->parser.start();
        }
        return;
    }
    const bool awaits_continue = framing.expects_continue && behind.empty();
    if (awaits_continue && !streamed_) {
        write_continue(output, service.blocks());
    }
    // The head must outlive the buffer that it lies in.
    const bool in_place = !has_pending();
    if (input_ == nullptr) {
        input_ = service.inputs().take();
    }
    input_->head_bytes.assign(received.base, received.size);
    if (in_place) {
        input_->head = received.head;
    }
    consume(fresh, received.size);
    input_->framing = frame(input_->head, input_->head_bytes.data());
    service.router().find(input_->head.method, input_->framing.path, input_->match);
    is_chunked_ = !sized;
    input_->content_bytes = sized ? framing.content_bytes : 0;
    if (buffered_) {
        input_->content.reserve(static_cast<std::size_t>(
            std::min<std::uint64_t>(input_->content_bytes, content_reserve_bytes_max)));
    }
    input_->chunked = ChunkedDecoder();
    state_ = State::content;
    if (streamed_) {
        begin_pieces(service, input_->framing, awaits_continue);
    }
}

bool Session::take_content(Service& service, core::SendQueue& output, std::string_view& fresh) {
    std::string_view bytes = source(fresh);
    if (bytes.empty() && !streamed_) {
        return false;
    }
    const std::size_t before = bytes.size();
    const bool go_on = streamed_     ? take_streamed(service, output, bytes)
                       : is_chunked_ ? take_chunked(service, output, bytes)
                                     : take_sized(service, output, bytes);
    consume(fresh, before - bytes.size());
    if (go_on && state_ == State::content) {
        finish_content(service, output);
    }
    return go_on;
}

// True when the content has ended.
bool Session::take_sized(Service&, core::SendQueue&, std::string_view& source) {
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>(input_->content_bytes, source.size()));
    if (buffered_) {
        input_->content.append(source.substr(0, size));
    }
    source.remove_prefix(size);
    input_->content_bytes -= size;
    return input_->content_bytes == 0;
}

// True when the content has ended, or is given up.
bool Session::take_chunked(Service& service, core::SendQueue& output, std::string_view& source) {
    const Limits& limits = service.limits();
    for (;;) {
        const ChunkedDecoder::Step step = input_->chunked.decode(source);
        source.remove_prefix(step.taken);
        if (step.outcome == ChunkedDecoder::Outcome::invalid) {
            refuse(service, output, Status::bad_request, Reason::protocol_error);
            return true;
        }
        input_->content_bytes += step.content.size();
        const std::uint64_t known_bytes = input_->content_bytes + input_->chunked.announced_bytes();
        if (buffered_ && known_bytes > limits.content_bytes_max) {
            refuse(service, output, Status::content_too_large, Reason::protocol_error);
            return true;
        }
        if (!buffered_ && known_bytes > limits.discard_bytes_max) {
            refuse_to_persist();
            return true;
        }
        if (buffered_) {
            input_->content.append(step.content);
        }
        if (step.outcome != ChunkedDecoder::Outcome::content) {
            return step.outcome == ChunkedDecoder::Outcome::complete;
        }
    }
}

void Session::finish_content(Service& service, core::SendQueue& output) {
    new_message_ = true;
    const Request request(input_->head, input_->head_bytes.data(), input_->framing, input_->content,
                          input_->match.used_parameters(), &service, id_);
    dispatch(service, output, request, input_->match);
    forget_content();
}

void Session::forget_content() {
    input_->head.clear();
    input_->parser.start();
    input_->content.clear();
}

}  // namespace enduring::http
