// Reads the schemas of the document: an example to begin with, a type to show.

const DEEPEST = 5;

/** What a reference stands for. */
export function resolve(document, schema) {
  let found = schema ?? {};
  for (let hops = 0; found.$ref && hops < 20; hops += 1) {
    found = found.$ref.replace(/^#\//, "").split("/")
      .reduce((part, key) => part?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], document) ?? {};
  }
  return found;
}

/** The type in a few words. */
export function typeOf(document, schema) {
  const found = resolve(document, schema);
  if (found.enum) return found.enum.join(" | ");
  if (found.anyOf) return found.anyOf.map((one) => typeOf(document, one)).join(" | ");
  if (found.type === "array") return `${typeOf(document, found.items)}[]`;
  return found.format ?? [found.type ?? found.title ?? "any"].flat().join(" | ");
}

/** The fields of a form, told as parameters are. */
export function fieldsOf(document, schema) {
  const found = resolve(document, schema);
  return Object.entries(found.properties ?? {}).map(([name, one]) => (
    { name, in: "form", schema: one, required: (found.required ?? []).includes(name) }));
}

/** Whether several values fit. */
export function isList(document, schema) {
  const found = resolve(document, schema);
  return found.type === "array" || (found.anyOf ?? []).some((one) => isList(document, one));
}

/** Whether a file fits, or several. */
export function isFile(document, schema) {
  const found = resolve(document, schema);
  return found.format === "binary" || "contentMediaType" in found
    || [...(found.anyOf ?? []), ...(found.items ? [found.items] : [])].some((one) => isFile(document, one));
}

/** A value that fits, as far as that can be told. */
export function exampleOf(document, schema, depth = 0) {
  const found = resolve(document, schema);
  if (found.default !== undefined) return found.default;
  if (found.examples?.length) return found.examples[0];
  if (found.const !== undefined) return found.const;
  if (found.enum) return found.enum[0];
  const choice = found.anyOf?.[0] ?? found.oneOf?.[0];
  if (choice) return exampleOf(document, choice, depth);
  if (found.type === "object" || found.properties) {
    const wanted = depth < DEEPEST ? Object.entries(found.properties ?? {}) : [];
    return Object.fromEntries(wanted.map(([key, one]) => [key, exampleOf(document, one, depth + 1)]));
  }
  if (found.type === "array") return depth < DEEPEST && found.items ? [exampleOf(document, found.items, depth + 1)] : [];
  return { string: "", integer: 0, number: 0, boolean: false }[found.type] ?? null;
}
