// Sends requests with undici over its pool of keep-alive connections and prints what became of them
// as JSON.
//
//   node undici.mjs UNDICI PORT METHOD REQUESTS CONCURRENCY    UNDICI: the file of the module
import { pathToFileURL } from 'node:url';

const [file, port, method, requests, concurrency] = process.argv.slice(2);
const { Pool } = (await import(pathToFileURL(file))).default;

const pool = new Pool(`http://127.0.0.1:${port}`, { connections: Number(concurrency) });
const counts = {};
let next = 0;

async function exchange(text) {
    try {
        const response = await pool.request(
            method === 'POST' ? { path: '/', method, body: text } : { path: `/?${text}`, method });
        const content = await response.body.text();
        if (response.statusCode !== 200) {
            return String(response.statusCode);
        }
        return content === text ? '200' : 'wrong answer';
    } catch (error) {
        return error.code ?? String(error);
    }
}

async function work() {
    while (next < Number(requests)) {
        const kind = await exchange(`request-${next++}`);
        counts[kind] = (counts[kind] ?? 0) + 1;
    }
}

await Promise.all(Array.from({ length: Number(concurrency) }, work));
await pool.close();
console.log(JSON.stringify(counts));
