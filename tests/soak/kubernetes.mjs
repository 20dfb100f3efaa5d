// Validates each object of a YAML file, and prints a JSON array: kind, and what is wrong with it.
//
//   node kubernetes.mjs DIRECTORY FILE    DIRECTORY: where node_modules lies
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [directory, file] = process.argv.slice(2);
const require = createRequire(join(directory, 'package.json'));
const { parseAllDocuments } = require('yaml');

// Kubernetes' own schemas allow fields that they do not know. Their validators ask for each field
// that they know: what was never asked for is unknown, and the cluster would ignore or refuse it.
const unasked = [];
function watched(value, path) {
    if (typeof value !== 'object' || value === null) {
        return value;
    }
    const copy = Array.isArray(value) ? [] : {};
    for (const [key, item] of Object.entries(value)) {
        copy[key] = watched(item, `${path}/${key}`);
        unasked.push(`${path}/${key}`);
    }
    return new Proxy(copy, {
        get(target, key) {
            const place = unasked.indexOf(`${path}/${String(key)}`);
            if (place >= 0) {
                unasked.splice(place, 1);
            }
            return target[key];
        },
    });
}

function faults(object) {
    let model;
    try {
        model = require(`kubernetes-models/${object.apiVersion}`)[object.kind];
    } catch {
        // Told below.
    }
    if (model === undefined) {
        return [`no such kind in ${object.apiVersion}`];
    }
    unasked.length = 0;
    try {
        // Not a Model made of it, which would copy, and so ask for, all fields.
        model.prototype.validate.call(watched(object, ''));
    } catch (error) {
        return [error.message];
    }
    return unasked.map(path => `unknown field ${path}`);
}

const documents = parseAllDocuments(readFileSync(file, 'utf8'));
const objects = documents.map(document => document.toJS()).filter(object => object !== null);
console.log(JSON.stringify(objects.map(object => [object.kind, faults(object)])));
