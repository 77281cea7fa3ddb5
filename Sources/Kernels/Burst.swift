import CKernels

/// Sums that go on side by side: more than the products' latency times their rate.
@inline(__always) var chains: Int { 12 }

@inline(__always)
func burst<P: Product>(_ product: P.Type, _ rounds: Int, _ x: Float) -> Float {
  var (a, b, c, d) = (splat(0), splat(0), splat(0), splat(0))
  var (e, f, g, h) = (a, b, c, d)
  var (k, l, m, n) = (a, b, c, d)
  let y = splat(x)
  let z = splat(x + 1)
  var i = rounds
  while i > 0 {
    (a, b, c, d) = (P.add(a, y, z), P.add(b, y, z), P.add(c, y, z), P.add(d, y, z))
    (e, f, g, h) = (P.add(e, z, y), P.add(f, z, y), P.add(g, z, y), P.add(h, z, y))
    (k, l, m, n) = (P.add(k, y, y), P.add(l, y, y), P.add(m, y, y), P.add(n, y, y))
    i &-= 1
  }
  let abcd = (a + b * splat(2)) + (c * splat(3) + d * splat(4))
  let efgh = (e + f * splat(5)) + (g * splat(6) + h * splat(7))
  return isa_sum(abcd + efgh + (k + l * splat(8)) + (m * splat(9) + n * splat(10)))
}

/// What the machine's products could do if nothing had to be loaded: the roof of a roofline.
func burst(_ brain: Int32, _ rounds: Int64, _ x: Float) -> Float {
  #if ISA_AVX512
    if brain != 0 { return burst(BrainProduct.self, Int(rounds), x) }
  #endif
  return burst(Float32Product.self, Int(rounds), x)
}
