#include "http/survey.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace enduring::http {
namespace {

ConnectionRow aged(std::uint64_t age_ms) { return {.age_ms = age_ms}; }

std::vector<std::uint64_t> ages(LongestRows& rows) {
    std::vector<std::uint64_t> ages;
    for (const ConnectionRow& row : rows.take()) {
        ages.push_back(row.age_ms);
    }
    return ages;
}

TEST(LongestRows, AreKeptInOrder) {
    LongestRows rows(3, &ConnectionRow::age_ms);
    for (const std::uint64_t age : {5, 1, 9, 3, 9, 2}) {
        rows.add(aged(age));
    }
    EXPECT_EQ(ages(rows), (std::vector<std::uint64_t>{9, 9, 5}));
    EXPECT_TRUE(ages(rows).empty());
}

TEST(LongestRows, MayBeNone) {
    LongestRows rows(0, &ConnectionRow::age_ms);
    rows.add(aged(1));
    EXPECT_TRUE(ages(rows).empty());
}

TEST(Connections, AreShownAsJson) {
    WorkerSurvey first;
    first.oldest = {
        {.worker = 0,
         .phase = core::Phase::idle,
         .age_ms = 61'500,
         .phase_ms = 250,
         .requests = 3,
         .peer = core::Address{.kind = core::Address::Kind::host, .host = "::1", .port = 4711}}};
    WorkerSurvey last;
    last.oldest = {{.worker = 2, .age_ms = 90'000}, {.worker = 2, .age_ms = 10}};
    last.slowest = {{.worker = 2,
                     .phase = core::Phase::stalled,
                     .age_ms = 90'000,
                     .phase_ms = 1,
                     .output_bytes = 65'536}};
    EXPECT_EQ(connections_json({first, std::nullopt, last}, 2), R"({
  "workers": 3,
  "silent_workers": [
    1
  ],
  "oldest": [
    {
      "worker": 2,
      "peer": null,
      "state": "opening",
      "age_seconds": 90.0,
      "state_seconds": 0.0,
      "requests": 0,
      "output_bytes": 0
    },
    {
      "worker": 0,
      "peer": "[::1]:4711",
      "state": "idle",
      "age_seconds": 61.5,
      "state_seconds": 0.25,
      "requests": 3,
      "output_bytes": 0
    }
  ],
  "slowest": [
    {
      "worker": 2,
      "peer": null,
      "state": "stalled",
      "age_seconds": 90.0,
      "state_seconds": 0.001,
      "requests": 0,
      "output_bytes": 65536
    }
  ]
}
)");
}

}  // namespace
}  // namespace enduring::http
