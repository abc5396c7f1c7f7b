// A program of somebody else: renders a little picture with workers of its own
// process and prints the size of the file.

#include <francine/francine.h>

#include <iostream>

int main() {
  const auto master = francine::Master::start({.instances = 2}).value();
  const auto session = master->create_session({.producer = "ao"}).value();
  const auto execution =
      session.create_execution({.parallel = 4, .update = R"({"width": 32, "height": 32})"})
          .value();
  const auto picture = execution.wait().value();
  if (picture->bytes.size() < 8 || picture->bytes[1] != 'P') return 1;
  std::cout << picture->bytes.size() << " bytes\n";
  return 0;
}
