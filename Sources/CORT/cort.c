#include "CORT.h"
