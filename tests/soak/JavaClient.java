// Sends requests with java.net.http.HttpClient over its pool of keep-alive connections and prints
// what became of them as JSON.
//
//   java JavaClient.java PORT METHOD REQUESTS CONCURRENCY

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;

public class JavaClient {
    private static HttpClient client;
    private static String root;
    private static String method;

    private static String exchange(String text) throws InterruptedException {
        boolean posts = method.equals("POST");
        HttpRequest request =
                HttpRequest.newBuilder(URI.create(posts ? root : root + "?" + text))
                        .method(
                                method,
                                posts
                                        ? HttpRequest.BodyPublishers.ofString(text)
                                        : HttpRequest.BodyPublishers.noBody())
                        .build();
        try {
            HttpResponse<String> response =
                    client.send(request, HttpResponse.BodyHandlers.ofString());
            if (response.statusCode() != 200) {
                return Integer.toString(response.statusCode());
            }
            return response.body().equals(text) ? "200" : "wrong answer";
        } catch (java.io.IOException error) {
            return error.toString().replace('"', '\'');
        }
    }

    public static void main(String[] arguments) throws InterruptedException {
        root = "http://127.0.0.1:" + arguments[0] + "/";
        method = arguments[1];
        int requests = Integer.parseInt(arguments[2]);
        int concurrency = Integer.parseInt(arguments[3]);
        client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

        Map<String, Integer> counts = new ConcurrentHashMap<>();
        AtomicInteger next = new AtomicInteger();
        var threads = Executors.newFixedThreadPool(concurrency);
        for (int i = 0; i < concurrency; ++i) {
            threads.submit(
                    () -> {
                        for (int n; (n = next.getAndIncrement()) < requests; ) {
                            counts.merge(exchange("request-" + n), 1, Integer::sum);
                        }
                        return null;
                    });
        }
        threads.shutdown();
        threads.awaitTermination(1, TimeUnit.HOURS);
        System.out.println(
                new TreeMap<>(counts)
                        .entrySet().stream()
                                .map(e -> "\"" + e.getKey() + "\": " + e.getValue())
                                .collect(Collectors.joining(", ", "{", "}")));
    }
}
