// What a start-up step gives back: a value, or an error that a person can act on.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace enduring::core {

/// A failure told to a person: what went wrong and what to do about it.
struct Error {
    /// What failed and why, without a full stop ("cannot listen on 0.0.0.0:80: permission denied").
    std::string what;
    /// What the reader can do; empty when there is nothing to advise.
    std::string remedy;

    /// Both in one line.
    [[nodiscard]] std::string text() const { return remedy.empty() ? what : what + "; " + remedy; }
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(std::string what, std::string remedy = {}) {
    return std::unexpected(Error{std::move(what), std::move(remedy)});
}

}  // namespace enduring::core
