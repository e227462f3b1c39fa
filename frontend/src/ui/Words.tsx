/**
 * Words that change while they are in sight. They are a new element each time: a browser that translates the page puts
 * an element of its own in the place of a text, and a later change of the text would not be seen.
 */
export function Words({ text }: { text: string }) {
  return <span key={text}>{text}</span>;
}
