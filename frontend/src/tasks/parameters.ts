/** The parameters of a kind as fields of a form: read from its JSON Schema, and written as the JSON that the API takes. */

/** json: whatever a form has no field for, typed as JSON. */
export type Shape = "line" | "text" | "number" | "check" | "choice" | "json";

export interface Parameter {
  name: string;
  shape: Shape;
  required: boolean;
  choices: readonly string[];
  /** What the kind takes when nothing is given, as it stands in the field. */
  usual: string;
}

interface Schema {
  $ref?: string;
  type?: string;
  enum?: readonly unknown[];
  anyOf?: readonly Schema[];
  default?: unknown;
  maxLength?: number;
  properties?: Readonly<Record<string, Schema>>;
  required?: readonly string[];
  $defs?: Readonly<Record<string, Schema>>;
}

/** Longer texts get more than a line. */
const LONG = 2000;

export function parametersOf(document: object): readonly Parameter[] {
  const defs = (document as Schema).$defs ?? {};
  const schema = resolved(document, defs);
  return Object.entries(schema.properties ?? {}).map(([name, member]) => {
    const real = resolved(member, defs);
    const choices = (real.enum ?? []).filter((choice) => typeof choice === "string");
    const usual = member.default ?? real.default;
    return { name, shape: shapeOf(real, choices), required: schema.required?.includes(name) ?? false, choices, usual: written(usual) };
  });
}

/** The value of `parameters` for what stands in the fields; an empty field says nothing. The server judges what does not fit. */
export function valueOf(parameters: readonly Parameter[], typed: Readonly<Record<string, string>>): Record<string, unknown> {
  const given = parameters.filter(({ name }) => (typed[name] ?? "") !== "");
  return Object.fromEntries(given.map(({ name, shape }) => [name, read(shape, typed[name] ?? "")]));
}

/** A reference, or the one alternative beside null. */
function resolved(schema: Schema, defs: Readonly<Record<string, Schema>>): Schema {
  const name = schema.$ref?.replace("#/$defs/", "");
  const target = name === undefined ? undefined : defs[name];
  if (target !== undefined) return target;
  const real = schema.anyOf?.filter(({ type }) => type !== "null");
  return real?.length === 1 && real[0] !== undefined ? resolved(real[0], defs) : schema;
}

function shapeOf({ type, maxLength }: Schema, choices: readonly string[]): Shape {
  if (choices.length > 0) return "choice";
  if (type === "string") return (maxLength ?? 0) > LONG ? "text" : "line";
  if (type === "integer" || type === "number") return "number";
  return type === "boolean" ? "check" : "json";
}

function read(shape: Shape, text: string): unknown {
  if (shape === "number") return Number.isNaN(Number(text)) ? text : Number(text);
  if (shape === "check") return text === "true";
  if (shape !== "json") return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function written(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
