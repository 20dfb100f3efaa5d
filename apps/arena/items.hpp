// The items that /json answers with: read once, written anew for each request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/result.hpp"

namespace arena {

struct Item {
    std::int64_t id = 0;
    std::string name;
    std::string category;
    double price = 0;
    std::int64_t quantity = 0;
    bool active = false;
    std::vector<std::string> tags;
    double rating_score = 0;
    std::int64_t rating_count = 0;
    bool whole_price = false;  ///< the price, and what is made of it, is written without a fraction
};

using Items = std::vector<Item>;

/// Reads a file with an array of objects. The error says which one lacks what.
enduring::core::Result<Items> read_items(const std::string& path);

/// {"items":[...],"count":N}: the first `count` items, each with total = price * quantity * factor.
std::string write_items(const Items& items, std::size_t count, std::int64_t factor);

}  // namespace arena
