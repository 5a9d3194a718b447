// Builds elements. Text is only ever set as text: what plugins say is never markup.

const PROPERTIES = new Set(["className", "hidden", "disabled", "open", "type", "title", "href",
  "id", "scope", "dateTime", "tabIndex"]);

/** An element with properties, `aria-*`/`data-*`/`role` attributes, `on` listeners, children. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (PROPERTIES.has(name)) {
      element[name] = value;
    } else {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...flat(children));
  return element;
}

/** Makes `children` the content of `element`. */
export function fill(element, ...children) {
  element.replaceChildren(...flat(children));
}

function flat(children) {
  return children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false)
    .map((c) => (c instanceof Node ? c : String(c)));
}

/**
 * Lets the children of `parent` stand for `items`, keeping the elements of known keys (and with
 * them focus, scroll and open details), and touching only those whose item has changed.
 */
export function reconcile(parent, items, keyOf, create, update) {
  const known = new Map(Array.from(parent.children, (child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    const stamp = JSON.stringify(item);
    let element = known.get(key);
    known.delete(key);
    if (element === undefined) {
      element = create(item);
      element.dataset.key = key;
    }
    if (element.stamp !== stamp) {
      element.stamp = stamp;
      update(element, item);
    }
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const element of known.values()) element.remove();
}
