// The items that /json answers with: read once, written anew for each request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/result.hpp"

namespace arena {

/// Reads a file with an array of objects, which keep the order of their members. The error says
/// which one lacks what.
enduring::core::Result<nlohmann::ordered_json> read_items(const std::string& path);

/// {"items":[...],"count":N}: the first `count` items or as many as there are, each with total =
/// price * quantity * factor.
std::string write_items(const nlohmann::ordered_json& items, std::size_t count,
                        std::int64_t factor);

}  // namespace arena
