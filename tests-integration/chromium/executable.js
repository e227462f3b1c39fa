// Unpacks Chromium (and, told that this is such a machine, the libraries that it needs) and prints where it is.
import chromium from "@sparticuz/chromium";

console.log(await chromium.executablePath());
