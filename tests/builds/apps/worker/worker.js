import "lodis/worker";
