#include "apps/arena/items.hpp"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace arena {

namespace {

using enduring::core::Result;
using Json = nlohmann::ordered_json;

constexpr const char* shape =
    "it must be an array of objects with id, name, category, price, quantity, active, tags[] and "
    "rating{score,count}";

// Gives what an item has not as it should be, or null.
const char* find_fault(const Json& item) {
    const auto lacks = [](const Json& object, const char* name, auto&& is_right) {
        const auto member = object.find(name);
        return member == object.end() || !is_right(*member);
    };
    const auto number = [](const Json& value) { return value.is_number(); };
    const auto integer = [](const Json& value) { return value.is_number_integer(); };
    const auto text = [](const Json& value) { return value.is_string(); };
    const auto truth = [](const Json& value) { return value.is_boolean(); };
    const auto texts = [&](const Json& value) {
        return value.is_array() && std::ranges::all_of(value, text);
    };
    const auto rating = [&](const Json& value) {
        return value.is_object() && !lacks(value, "score", number) &&
               !lacks(value, "count", integer);
    };
    return !item.is_object()                  ? "member"
           : lacks(item, "id", integer)       ? "id"
           : lacks(item, "name", text)        ? "name"
           : lacks(item, "category", text)    ? "category"
           : lacks(item, "price", number)     ? "price"
           : lacks(item, "quantity", integer) ? "quantity"
           : lacks(item, "active", truth)     ? "active"
           : lacks(item, "tags", texts)       ? "tags"
           : lacks(item, "rating", rating)    ? "rating"
                                              : nullptr;
}

// Whole where the price is whole and the product not too large.
Json total_of(const Json& item, std::int64_t factor) {
    const auto quantity = item["quantity"].get<std::int64_t>();
    const Json& price = item["price"];
    std::int64_t total = 0;
    if (price.is_number_integer() &&
        !__builtin_mul_overflow(price.get<std::int64_t>(), quantity, &total) &&
        !__builtin_mul_overflow(total, factor, &total)) {
        return total;
    }
    return price.get<double>() * static_cast<double>(quantity) * static_cast<double>(factor);
}

}  // namespace

Result<Json> read_items(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        return enduring::core::fail("the data set " + path + " cannot be opened",
                                    "name a file that can be read with --dataset");
    }
    Json items;
    try {
        items = Json::parse(file);
    } catch (const Json::parse_error& error) {
        return enduring::core::fail(
            "the data set " + path + " is no JSON at byte " + std::to_string(error.byte), shape);
    }
    if (!items.is_array()) {
        return enduring::core::fail("the data set " + path + " is no array", shape);
    }
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (const char* fault = find_fault(items[i])) {
            return enduring::core::fail("in the data set " + path + ", object " +
                                            std::to_string(i) + " has no '" + fault +
                                            "' as it should be",
                                        shape);
        }
    }
    return items;
}

std::string write_items(const Json& items, std::size_t count, std::int64_t factor) {
    Json some = Json::array();
    for (std::size_t i = 0; i < std::min(count, items.size()); ++i) {
        some.push_back(items[i]);
        some.back()["total"] = total_of(items[i], factor);
    }
    const std::size_t written = some.size();
    Json result;
    result["items"] = std::move(some);
    result["count"] = written;
    return result.dump();
}

}  // namespace arena
