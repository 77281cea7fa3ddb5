#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// log10 without Foundation.
func logTen(_ x: Double) -> Double { log10(x) }
