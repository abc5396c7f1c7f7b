#include "report.h"

int main() { return 0; }
