// The element by itself, for pages without a bundler: `lodis-terminal.js`.
import "lodis/terminal/element";
