// Render inside this program and write an OpenEXR file.
//
//     embed [FILE]        (default: ao.exr)

#include <fstream>
#include <iostream>

#include <francine/francine.h>

int main(int argc, char** argv) {
  auto master = francine::Master::start({}).value();
  auto session = master->create_session({.producer = "ao", .format = francine::Format::kExr});
  auto execution = session->create_execution({.parallel = 16});
  auto picture = execution->wait().value();

  const char* name = argc > 1 ? argv[1] : "ao.exr";
  std::ofstream file(name, std::ios::binary);
  file.write(reinterpret_cast<const char*>(picture->bytes.data()),
             static_cast<std::streamsize>(picture->bytes.size()));
  std::cout << name << ": " << picture->bytes.size() << " bytes\n";
  return file.good() ? 0 : 1;
}
