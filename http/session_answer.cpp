// The session's part that answers: calls the handler, makes the answers that no handler gives, and
// writes each with what it says of the connection.
#include <new>
#include <string>
#include <utility>

#include "http/service.hpp"
#include "http/session.hpp"
#include "http/writer.hpp"

namespace enduring::http {

using core::Reason;

void Session::dispatch(Service& service, core::SendQueue& output, const Request& request,
                       const Router::Match& match) {
    state_ = State::answer;
    if (match.kind != Router::Match::Kind::found) {
        answer_without_handler(service, output, request, match);
        return;
    }
    call_handler(service, request, match);
}

void Session::call_handler(Service& service, const Request& request, const Router::Match& match) {
    // If the handler throws, its responder is destroyed on the way and answers 500.
    call(service, [&] { (*match.handler)(request, Responder(service, id_, requests_)); });
}

void Session::answer_without_handler(Service& service, core::SendQueue& output,
                                     const Request& request, const Router::Match& match) {
    const Method method = request.method();
    if (method == Method::connect) {
        // What would follow is no HTTP: the connection cannot go on.
        refuse_to_persist();
    }
    if (method == Method::options && (request.path() == "*" || match.allowed != 0)) {
        const std::string allow = Router::allow_value(
            request.path() == "*" ? service.router().all_methods() : match.allowed);
        write(service, output, std::move(Response(Status::no_content).field("Allow", allow)));
        return;
    }
    Status status = Status::not_found;
    std::string allow;
    if (method == Method::other) {
        status = Status::not_implemented;
    } else if (method == Method::connect || method == Method::trace || match.allowed != 0) {
        status = Status::method_not_allowed;
        allow = Router::allow_value(match.allowed);
    }
    Response response = error_response(status);
    if (!allow.empty()) {
        response.field("Allow", allow);
    }
    write(service, output, std::move(response));
}

// Answers what was not understood or came too late, and ends the connection's input.
void Session::refuse(Service& service, core::SendQueue& output, Status status, Reason reason) {
    if (begun_) {
        spoil_output(reason);  // the client is told by the cut
        return;
    }
    persistent_ = false;
    reason_ = reason;
    write(service, output, error_response(status));
}

// Whoever answers need not know that memory has run out.
void Session::write(Service& service, core::SendQueue& output, Response&& response) noexcept {
    try {
        put(service, output, std::move(response));
    } catch (const std::bad_alloc&) {
        spoil_output(Reason::overload);
    }
}

void Session::put(Service& service, core::SendQueue& output, Response&& response) {
    const Limits& limits = service.limits();
    const Reason ending = ending_after(limits, response.closes());
    if (takes_much_memory(response, head_only_) &&
        service.blocks().output_bytes() + response.content_size() > limits.buffered_bytes_max)
        [[unlikely]] {
        // The handler has run, so nothing is said of trying again.
        response = error_response(Status::service_unavailable);
    }
    WriteContext context;
    context.head_only = head_only_;
    context.preamble = service.preamble(response);
    describe_connection(limits, ending != Reason::none, context);
    const Status status = response.status();
    const std::uint64_t size = response.content_size();
    write_response(output, service.blocks(), std::move(response), context);
    service.record([&](AccessRecorder& recorder) {
        service.name_peer(id_);
        recorder.answered(id_.slot, status, head_only_ || forbids_content(status) ? 0 : size);
    });
    service.meter().answered(method_, status, begun_at_);
    ++answers_unsent_;
    state_ = State::head;
    if (ending != Reason::none) {
        end(ending);
    }
}

Reason Session::ending_after(const Limits& limits, bool server_closes) const noexcept {
    const bool last = limits.requests_max != 0 && requests_ >= limits.requests_max;
    return !persistent_                     ? Reason::client_close
           : server_closes                  ? Reason::server_close
           : retire_reason_ != Reason::none ? retire_reason_
           : last                           ? Reason::keepalive_requests
                                            : Reason::none;
}

void Session::describe_connection(const Limits& limits, bool closes,
                                  WriteContext& context) const noexcept {
    if (closes) {
        context.connection = WriteContext::Connection::close;
    } else if (limits.keepalive_field) {
        context.connection = WriteContext::Connection::keep_alive;
        context.keepalive_timeout_s = limits.keepalive_timeout_s;
        context.requests_left = limits.requests_max == 0 ? 0 : limits.requests_max - requests_;
    } else if (old_version_) {
        context.connection = WriteContext::Connection::keep_alive;
    }
}

}  // namespace enduring::http
