#include "http/metrics.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace enduring::http {
namespace {

/// Samples by their names with labels. Fails on what is no text of Prometheus (its "exposition
/// formats"): each metric is described before its samples, which come together.
std::map<std::string, double> parse(const std::string& text) {
    static const std::regex help(R"(# HELP ([a-z_]+) ([^\n\\]+\.))");
    static const std::regex type(R"(# TYPE ([a-z_]+) (counter|gauge|histogram))");
    static const std::regex sample(
        R"re(([a-z_]+)(\{[a-z]+="[a-z0-9_]+"(?:,[a-z]+="[^"]+")*\})? ([0-9.]+))re");
    std::map<std::string, double> samples;
    std::set<std::string> described;
    std::string helped;
    std::string current;
    bool is_histogram = false;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::smatch match;
        if (std::regex_match(line, match, help)) {
            helped = match[1];
            EXPECT_TRUE(described.insert(helped).second) << helped << " is described twice";
        } else if (std::regex_match(line, match, type)) {
            current = match[1];
            is_histogram = match[2] == "histogram";
            EXPECT_EQ(current, helped);
            EXPECT_EQ(match[2] == "counter", current.ends_with("_total")) << current;
        } else if (std::regex_match(line, match, sample)) {
            static const std::regex part("_(bucket|sum|count)$");
            EXPECT_EQ(is_histogram ? std::regex_replace(match[1].str(), part, "") : match[1].str(),
                      current);
            const std::string name = match[1].str() + match[2].str();
            EXPECT_TRUE(samples.emplace(name, std::stod(match[3])).second) << name;
        } else {
            ADD_FAILURE() << "no line of a metric: " << line;
        }
    }
    EXPECT_TRUE(text.ends_with('\n'));
    return samples;
}

// The first worker has counted nothing, so that it cannot stand in for the second.
std::vector<WorkerNumbers> second_of_two(const core::Counters& counters) {
    return {{}, {.counters = counters}};
}

TEST(Metrics, ShowEveryCounterOfEachWorker) {
    core::Counters counters;
    std::uint64_t number = 1'000;
    for (const core::CounterDescription& description : core::counter_descriptions) {
        counters.*description.counter += number++;
    }
    const auto samples = parse(metrics_text(second_of_two(counters)));
    number = 1'000;
    for (const core::CounterDescription& description : core::counter_descriptions) {
        const std::string name = "enduring_" + std::string(description.name) + "_total";
        EXPECT_EQ(samples.at(name + "{worker=\"0\"}"), 0) << name;
        EXPECT_DOUBLE_EQ(samples.at(name + "{worker=\"1\"}"),
                         static_cast<double>(number++) / description.per_unit)
            << name;
    }
}

TEST(Metrics, ShowEachReasonAndWhatIsOpen) {
    core::Counters counters;
    counters.accepted += 1'000;
    for (std::size_t i = 1; i < core::reason_count; ++i) {
        counters.closed[i] += i;
    }
    const auto samples = parse(metrics_text(second_of_two(counters)));
    double sum = 0;
    for (std::size_t i = 1; i < core::reason_count; ++i) {
        const std::string reason(core::name_of(static_cast<core::Reason>(i)));
        const double value =
            samples.at("enduring_connections_closed_total{worker=\"1\",reason=\"" + reason + "\"}");
        EXPECT_EQ(value, i) << reason;
        sum += value;
    }
    EXPECT_EQ(samples.at("enduring_connections_open{worker=\"0\"}"), 0);
    EXPECT_EQ(samples.at("enduring_connections_open{worker=\"1\"}"), 1'000 - sum);
}

TEST(Metrics, ShowAnswersByMethodAndStatus) {
    WorkerNumbers numbers;
    numbers.exchanges.answers[static_cast<unsigned>(Method::get)][1] += 7;
    numbers.exchanges.answers[static_cast<unsigned>(Method::delete_)][4] += 2;
    numbers.exchanges.answers[static_cast<unsigned>(Method::other)][4] += 3;
    numbers.exchanges.answers[methodless][3] += 5;
    const auto samples = parse(metrics_text(std::vector<WorkerNumbers>{{}, numbers}));
    const auto value = [&](const std::string& method, const std::string& status) {
        return samples.at("enduring_requests_total{worker=\"1\",method=\"" + method +
                          "\",status=\"" + status + "\"}");
    };
    EXPECT_EQ(value("GET", "2xx"), 7);
    EXPECT_EQ(value("DELETE", "5xx"), 2);
    EXPECT_EQ(value("other", "5xx"), 3);
    EXPECT_EQ(value("none", "4xx"), 5);
    EXPECT_FALSE(
        samples.contains("enduring_requests_total{worker=\"1\",method=\"GET\",status=\"4xx\"}"));
}

TEST(Metrics, ShowDurationsAsAHistogram) {
    WorkerNumbers numbers;
    numbers.exchanges.durations.add(40, 2);
    numbers.exchanges.durations.add(2'000, 3);
    numbers.exchanges.durations.add(60'000'000, 1);
    const auto samples = parse(metrics_text(std::vector<WorkerNumbers>{{}, numbers}));
    const std::string name = "enduring_request_duration_seconds";
    const auto bucket = [&](const std::string& bound) {
        return samples.at(name + "_bucket{worker=\"1\",le=\"" + bound + "\"}");
    };
    EXPECT_EQ(bucket("5e-05"), 2);
    EXPECT_EQ(bucket("0.001"), 2);
    EXPECT_EQ(bucket("0.0025"), 5) << "a bucket holds the smaller ones as well";
    EXPECT_EQ(bucket("10"), 5);
    EXPECT_EQ(bucket("+Inf"), 6);
    EXPECT_EQ(samples.at(name + "_count{worker=\"1\"}"), 6);
    EXPECT_DOUBLE_EQ(samples.at(name + "_sum{worker=\"1\"}"), 60.00608);
    EXPECT_EQ(samples.at(name + "_count{worker=\"0\"}"), 0);
}

TEST(Metrics, ShowWhatWorkersTellOfTheirConnections) {
    WorkerNumbers numbers;
    numbers.survey.emplace();
    numbers.survey->phases[static_cast<std::size_t>(core::Phase::idle)] = 4;
    numbers.survey->output_bytes = 4'096;
    numbers.survey->completion_overflows = 2;
    const auto samples = parse(metrics_text(std::vector<WorkerNumbers>{{}, numbers}));
    EXPECT_EQ(samples.at("enduring_connections{worker=\"1\",state=\"idle\"}"), 4);
    EXPECT_EQ(samples.at("enduring_connections{worker=\"1\",state=\"closing\"}"), 0);
    EXPECT_EQ(samples.at("enduring_output_bytes{worker=\"1\"}"), 4'096);
    EXPECT_EQ(samples.at("enduring_completion_overflows_total{worker=\"1\"}"), 2);
    EXPECT_EQ(samples.at("enduring_worker_answers{worker=\"1\"}"), 1);
    // The other one has not answered.
    EXPECT_EQ(samples.at("enduring_worker_answers{worker=\"0\"}"), 0);
    EXPECT_FALSE(samples.contains("enduring_connections{worker=\"0\",state=\"idle\"}"));
    EXPECT_FALSE(samples.contains("enduring_output_bytes{worker=\"0\"}"));
}

}  // namespace
}  // namespace enduring::http
