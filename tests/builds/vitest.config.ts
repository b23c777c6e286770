import { ofBrowser } from "../vitest.browsers.js";

export default ofBrowser(import.meta.dirname);
