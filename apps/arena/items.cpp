#include "apps/arena/items.hpp"

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

namespace arena {

namespace {

using enduring::core::Result;
using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

constexpr const char* shape =
    "it must be an array of objects with id, name, category, price, quantity, active, tags[] and "
    "rating{score,count}";

std::string text_of(const rapidjson::Value& value) {
    return {value.GetString(), value.GetStringLength()};
}

// Reads the members of one object; `missing` names the first one that is not as it should be.
class ItemReader {
  public:
    explicit ItemReader(const rapidjson::Value& object) : object_(object) {}

    std::int64_t integer(const char* name) {
        const rapidjson::Value* value = find(name);
        return value != nullptr && value->IsInt64() ? value->GetInt64() : (miss(name), 0);
    }
    double number(const char* name) {
        const rapidjson::Value* value = find(name);
        return value != nullptr && value->IsNumber() ? value->GetDouble() : (miss(name), 0);
    }
    bool boolean(const char* name) {
        const rapidjson::Value* value = find(name);
        return value != nullptr && value->IsBool() ? value->GetBool() : (miss(name), false);
    }
    std::string text(const char* name) {
        const rapidjson::Value* value = find(name);
        return value != nullptr && value->IsString() ? text_of(*value)
                                                     : (miss(name), std::string());
    }
    std::vector<std::string> texts(const char* name) {
        std::vector<std::string> all;
        const rapidjson::Value* value = find(name);
        if (value == nullptr || !value->IsArray()) {
            miss(name);
            return all;
        }
        for (const rapidjson::Value& element : value->GetArray()) {
            if (!element.IsString()) {
                miss(name);
                return all;
            }
            all.push_back(text_of(element));
        }
        return all;
    }
    [[nodiscard]] const rapidjson::Value* find(const char* name) const {
        if (!object_.IsObject()) {
            return nullptr;
        }
        const auto member = object_.FindMember(name);
        return member == object_.MemberEnd() ? nullptr : &member->value;
    }
    void miss(const char* name) {
        if (missing_ == nullptr) {
            missing_ = name;
        }
    }
    [[nodiscard]] const char* missing() const noexcept { return missing_; }

  private:
    const rapidjson::Value& object_;
    const char* missing_ = nullptr;
};

// Gives what is missing, or null.
const char* read_item(const rapidjson::Value& object, Item& item) {
    ItemReader reader(object);
    item.id = reader.integer("id");
    item.name = reader.text("name");
    item.category = reader.text("category");
    item.price = reader.number("price");
    item.quantity = reader.integer("quantity");
    item.active = reader.boolean("active");
    item.tags = reader.texts("tags");
    const rapidjson::Value* price = reader.find("price");
    item.whole_price = price != nullptr && price->IsInt64();
    const rapidjson::Value* rating = reader.find("rating");
    if (rating == nullptr || !rating->IsObject()) {
        reader.miss("rating");
    } else {
        ItemReader members(*rating);
        item.rating_score = members.number("score");
        item.rating_count = members.integer("count");
        if (members.missing() != nullptr) {
            reader.miss("rating");
        }
    }
    return reader.missing();
}

void put(Writer& writer, std::string_view text) {
    writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

template <std::size_t Size>
void key(Writer& writer, const char (&name)[Size]) {
    writer.Key(name, Size - 1);
}

void put_amount(Writer& writer, const Item& item, double amount) {
    constexpr double whole_max = 9e15;  // a double holds each whole number up to here
    if (item.whole_price && amount > -whole_max && amount < whole_max) {
        writer.Int64(static_cast<std::int64_t>(amount));
    } else {
        writer.Double(amount);
    }
}

void write_item(Writer& writer, const Item& item, std::int64_t factor) {
    writer.StartObject();
    key(writer, "id");
    writer.Int64(item.id);
    key(writer, "name");
    put(writer, item.name);
    key(writer, "category");
    put(writer, item.category);
    key(writer, "price");
    put_amount(writer, item, item.price);
    key(writer, "quantity");
    writer.Int64(item.quantity);
    key(writer, "active");
    writer.Bool(item.active);
    key(writer, "tags");
    writer.StartArray();
    for (const std::string& tag : item.tags) {
        put(writer, tag);
    }
    writer.EndArray();
    key(writer, "rating");
    writer.StartObject();
    key(writer, "score");
    writer.Double(item.rating_score);
    key(writer, "count");
    writer.Int64(item.rating_count);
    writer.EndObject();
    key(writer, "total");
    put_amount(writer, item,
               item.price * static_cast<double>(item.quantity) * static_cast<double>(factor));
    writer.EndObject();
}

}  // namespace

Result<Items> read_items(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        return enduring::core::fail(fmt::format("the data set {} cannot be opened", path),
                                    "name a file that can be read with --dataset");
    }
    const std::string text(std::istreambuf_iterator<char>(file), {});
    rapidjson::Document document;
    document.Parse(text.data(), text.size());
    if (document.HasParseError()) {
        return enduring::core::fail(
            fmt::format("the data set {} is no JSON at byte {}: {}", path,
                        document.GetErrorOffset(),
                        rapidjson::GetParseError_En(document.GetParseError())),
            shape);
    }
    if (!document.IsArray()) {
        return enduring::core::fail(fmt::format("the data set {} is no array", path), shape);
    }
    Items items;
    for (const rapidjson::Value& object : document.GetArray()) {
        Item item;
        if (const char* missing = read_item(object, item)) {
            return enduring::core::fail(
                fmt::format("in the data set {}, object {} has no '{}' as it should be", path,
                            items.size(), missing),
                shape);
        }
        items.push_back(std::move(item));
    }
    return items;
}

std::string write_items(const Items& items, std::size_t count, std::int64_t factor) {
    // Keeps its memory from one request to the next of the same worker.
    thread_local rapidjson::StringBuffer buffer;
    buffer.Clear();
    Writer writer(buffer);
    writer.StartObject();
    key(writer, "items");
    writer.StartArray();
    for (std::size_t i = 0; i < count; ++i) {
        write_item(writer, items[i], factor);
    }
    writer.EndArray();
    key(writer, "count");
    writer.Uint64(count);
    writer.EndObject();
    return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace arena
