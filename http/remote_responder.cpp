#include "http/remote_responder.hpp"

#include <new>

#include "core/check.hpp"
#include "http/owned_response.hpp"
#include "http/responder.hpp"
#include "http/service.hpp"

namespace enduring::http {

RemoteResponder& RemoteResponder::operator=(RemoteResponder&& other) noexcept {
    if (this != &other) {
        const RemoteResponder dropped(std::move(*this));
        mailbox_ = std::move(other.mailbox_);
        exchanges_ = other.exchanges_;
        connection_ = other.connection_;
        number_ = other.number_;
    }
    return *this;
}

RemoteResponder::~RemoteResponder() {
    if (mailbox_ == nullptr) {
        return;
    }
    try {
        send(error_response(Status::internal_server_error));
    } catch (const std::bad_alloc&) {
        // The handler's time-out will end the request.
        mailbox_ = nullptr;
    }
}

void RemoteResponder::send(Response&& response) {
    ENDURING_CHECK(mailbox_ != nullptr, "a request was answered twice");
    mailbox_->post([exchanges = exchanges_, connection = connection_, number = number_,
                    owned = OwnedResponse(std::move(response))]() mutable {
        exchanges->answer(connection, number, owned.take());
    });
    mailbox_ = nullptr;
}

void RemoteResponder::send(Status status, std::string_view content_type, std::string_view content) {
    Response response(status);
    response.content_type(content_type).content(content);
    send(std::move(response));
}

}  // namespace enduring::http
