// A request as a handler sees it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/address.hpp"
#include "core/host.hpp"
#include "http/framing.hpp"
#include "http/method.hpp"
#include "http/request_head.hpp"
#include "http/text.hpp"

namespace enduring::http {

class Exchanges;

/// A header field: RFC 9110 §5. The value has no white space at its ends.
struct Field {
    std::string_view name;
    std::string_view value;
};

/// A value that a route's {name} matched, percent-encoded as in the target.
struct Parameter {
    std::string_view name;
    std::string_view value;
};

/// All views are valid until the handler returns, and not longer: copy what is needed later, also
/// when the answer is given later.
class Request {
  public:
    /// peers: where the address can be asked for; null: nowhere.
    Request(const RequestHead& head, const char* base, const Framing& framing,
            std::string_view content, std::span<const Parameter> parameters,
            Exchanges* peers = nullptr, core::ConnectionId connection = {}) noexcept
        : head_(head),
          base_(base),
          framing_(framing),
          content_(content),
          parameters_(parameters),
          peers_(peers),
          connection_(connection) {}

    [[nodiscard]] Method method() const noexcept { return head_.method; }
    /// As it was sent: RFC 9112 §3.2.
    [[nodiscard]] std::string_view target() const noexcept { return head_.target.in(base_); }
    /// The target's path, percent-encoded; begins with '/', or is "*".
    [[nodiscard]] std::string_view path() const noexcept { return framing_.path; }
    /// The target's query without the question mark, percent-encoded.
    [[nodiscard]] std::string_view query() const noexcept { return framing_.query; }
    /// Host and port that the client asked for; empty only for HTTP/1.0.
    [[nodiscard]] std::string_view authority() const noexcept { return framing_.authority; }
    /// 0 or 1; the major version is 1. HTTP/1.2 to 1.9 are taken for 1.1: RFC 9110 §2.5.
    [[nodiscard]] unsigned minor_version() const noexcept { return head_.minor_version; }

    [[nodiscard]] std::size_t field_count() const noexcept { return head_.fields.size(); }
    /// The fields in the order in which they were sent.
    [[nodiscard]] Field field_at(std::size_t index) const noexcept {
        const FieldSpan& field = head_.fields[index];
        return {field.name.in(base_), trim(field.value.in(base_))};
    }
    /// The first field of that name (any case), or nothing.
    [[nodiscard]] std::optional<std::string_view> field(std::string_view name) const noexcept {
        for (const FieldSpan& field : head_.fields) {
            if (equals_ignoring_case(field.name.in(base_), name)) {
                return trim(field.value.in(base_));
            }
        }
        return std::nullopt;
    }

    /// The whole content, without its transfer coding. Empty for routes that ignore it.
    [[nodiscard]] std::string_view content() const noexcept { return content_; }

    /// What the route's {name} matched; empty if the route has no such part.
    [[nodiscard]] std::string_view parameter(std::string_view name) const noexcept {
        for (const Parameter& parameter : parameters_) {
            if (parameter.name == name) {
                return parameter.value;
            }
        }
        return {};
    }
    /// The same, percent-decoded; nothing if the route has no such part, or its percent-encoding is
    /// wrong.
    [[nodiscard]] std::optional<std::string> decoded_parameter(std::string_view name) const;
    /// The value of the query's first pair of that name, decoded as a form is: plus signs are
    /// spaces, percent-encoding is decoded. The name is compared decoded. Nothing if there is none,
    /// or its encoding is wrong; empty if it has no value.
    [[nodiscard]] std::optional<std::string> query_value(std::string_view name) const;

    /// Where the connection comes from: behind a proxy that is the proxy. Costs a system call.
    /// Nothing if the system does not tell.
    [[nodiscard]] std::optional<core::Address> peer() const;

  private:
    const RequestHead& head_;
    const char* base_;
    const Framing& framing_;
    std::string_view content_;
    std::span<const Parameter> parameters_;
    Exchanges* peers_;
    core::ConnectionId connection_;
};

}  // namespace enduring::http
