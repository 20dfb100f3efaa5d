// Status codes: RFC 9110 §15, RFC 6585.
#pragma once

#include <cstdint>
#include <string_view>

namespace enduring::http {

/// Any code from 100 to 599 may be cast to it; those with a name have a reason phrase.
enum class Status : std::uint16_t {
    continue_ = 100,
    switching_protocols = 101,
    ok = 200,
    created = 201,
    accepted = 202,
    no_content = 204,
    partial_content = 206,
    moved_permanently = 301,
    found = 302,
    see_other = 303,
    not_modified = 304,
    temporary_redirect = 307,
    permanent_redirect = 308,
    bad_request = 400,
    unauthorized = 401,
    forbidden = 403,
    not_found = 404,
    method_not_allowed = 405,
    not_acceptable = 406,
    request_timeout = 408,
    conflict = 409,
    gone = 410,
    length_required = 411,
    precondition_failed = 412,
    content_too_large = 413,
    uri_too_long = 414,
    unsupported_media_type = 415,
    range_not_satisfiable = 416,
    expectation_failed = 417,
    misdirected_request = 421,
    unprocessable_content = 422,
    upgrade_required = 426,
    too_many_requests = 429,
    header_fields_too_large = 431,
    internal_server_error = 500,
    not_implemented = 501,
    bad_gateway = 502,
    service_unavailable = 503,
    gateway_timeout = 504,
    version_not_supported = 505,
    insufficient_storage = 507,
};

constexpr unsigned code_of(Status status) noexcept { return static_cast<unsigned>(status); }

/// The reason phrase; empty for a code without a name.
[[nodiscard]] std::string_view reason_phrase(Status status) noexcept;

/// "HTTP/1.1 200 OK" CRLF. The status must be from 100 to 599.
[[nodiscard]] std::string_view status_line(Status status);

/// Responses with this status never have content: RFC 9110 §6.4.1.
constexpr bool forbids_content(Status status) noexcept {
    return code_of(status) < 200 || status == Status::no_content || status == Status::not_modified;
}

}  // namespace enduring::http
