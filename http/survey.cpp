#include "http/survey.hpp"

#include <nlohmann/json.hpp>

namespace enduring::http {

namespace {

using Json = nlohmann::ordered_json;

double seconds(std::uint64_t ms) { return static_cast<double>(ms) / 1'000; }

Json json_of(const ConnectionRow& row) {
    return {{"worker", row.worker},
            {"peer", row.peer ? Json(row.peer->text()) : Json()},
            {"state", core::name_of(row.phase)},
            {"age_seconds", seconds(row.age_ms)},
            {"state_seconds", seconds(row.phase_ms)},
            {"requests", row.requests},
            {"output_bytes", row.output_bytes}};
}

Json json_of(const Surveys& surveys, std::size_t rows,
             std::vector<ConnectionRow> WorkerSurvey::* list, std::uint64_t ConnectionRow::* time) {
    LongestRows longest(rows, time);
    for (const auto& survey : surveys) {
        if (survey) {
            for (const ConnectionRow& row : (*survey).*list) {
                longest.add(row);
            }
        }
    }
    Json array = Json::array();
    for (const ConnectionRow& row : longest.take()) {
        array.push_back(json_of(row));
    }
    return array;
}

}  // namespace

std::string connections_json(const Surveys& surveys, std::size_t rows) {
    Json silent = Json::array();
    for (std::size_t worker = 0; worker < surveys.size(); ++worker) {
        if (!surveys[worker]) {
            silent.push_back(worker);
        }
    }
    const Json all = {
        {"workers", surveys.size()},
        {"silent_workers", std::move(silent)},
        {"oldest", json_of(surveys, rows, &WorkerSurvey::oldest, &ConnectionRow::age_ms)},
        {"slowest", json_of(surveys, rows, &WorkerSurvey::slowest, &ConnectionRow::phase_ms)}};
    // The path of a peer's socket may be any bytes.
    return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace enduring::http
