// swift-format-ignore-file
// (A register a name, a row a line.)
import CKernels

// The micro-tiles of all products: a few broadcast rows by a few vectors, as many accumulators as the registers hold.
//   C[r][0..<columns] = Σ_i rows[r·rowStride + i·step] × panel[i·panelStride …]

@inline(__always) func put(_ p: MutableFloats, _ v: V, adding: Bool) { store(p, adding ? load(p) + v : v) }

#if ISA_AVX512
  /// 4 rows × 64 columns: half a load an FMA.
  struct Tile4x4 {
    var a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3: V

    @inline(__always) init() {
      let z = V(repeating: 0)
      a0 = z; a1 = z; a2 = z; a3 = z
      b0 = z; b1 = z; b2 = z; b3 = z
      c0 = z; c1 = z; c2 = z; c3 = z
      d0 = z; d1 = z; d2 = z; d3 = z
    }

    @inline(__always)
    mutating func run<P: Product>(
      _: P.Type, _ panel: Floats, _ panelStride: Int, _ rows: Floats, _ rowStride: Int, _ step: Int, _ count: Int
    ) {
      var p = panel, b = rows, i = count
      repeat {
        let v0 = load(p), v1 = load(p + 1 &* lanes), v2 = load(p + 2 &* lanes), v3 = load(p + 3 &* lanes)
        let x0 = splat(b[0])
        a0 = P.add(a0, v0, x0); a1 = P.add(a1, v1, x0); a2 = P.add(a2, v2, x0); a3 = P.add(a3, v3, x0)
        let x1 = splat(b[rowStride])
        b0 = P.add(b0, v0, x1); b1 = P.add(b1, v1, x1); b2 = P.add(b2, v2, x1); b3 = P.add(b3, v3, x1)
        let x2 = splat(b[2 &* rowStride])
        c0 = P.add(c0, v0, x2); c1 = P.add(c1, v1, x2); c2 = P.add(c2, v2, x2); c3 = P.add(c3, v3, x2)
        let x3 = splat(b[3 &* rowStride])
        d0 = P.add(d0, v0, x3); d1 = P.add(d1, v1, x3); d2 = P.add(d2, v2, x3); d3 = P.add(d3, v3, x3)
        p += panelStride
        b += step
        i &-= 1
      } while i != 0
    }

    @inline(__always) func write(_ p: MutableFloats, _ stride: Int, adding: Bool) {
      var q = p
      put(q, a0, adding: adding)
      put(q + 1 &* lanes, a1, adding: adding)
      put(q + 2 &* lanes, a2, adding: adding)
      put(q + 3 &* lanes, a3, adding: adding)
      q += stride
      put(q, b0, adding: adding)
      put(q + 1 &* lanes, b1, adding: adding)
      put(q + 2 &* lanes, b2, adding: adding)
      put(q + 3 &* lanes, b3, adding: adding)
      q += stride
      put(q, c0, adding: adding)
      put(q + 1 &* lanes, c1, adding: adding)
      put(q + 2 &* lanes, c2, adding: adding)
      put(q + 3 &* lanes, c3, adding: adding)
      q += stride
      put(q, d0, adding: adding)
      put(q + 1 &* lanes, d1, adding: adding)
      put(q + 2 &* lanes, d2, adding: adding)
      put(q + 3 &* lanes, d3, adding: adding)
    }

    /// Maxima of each vector over the rows.
    @inline(__always) var max0: V { isa_max(isa_max(a0, b0), isa_max(c0, d0)) }
    @inline(__always) var max1: V { isa_max(isa_max(a1, b1), isa_max(c1, d1)) }
    @inline(__always) var max2: V { isa_max(isa_max(a2, b2), isa_max(c2, d2)) }
    @inline(__always) var max3: V { isa_max(isa_max(a3, b3), isa_max(c3, d3)) }
  }

  /// 8 rows × 32 columns, for the rest of a width.
  struct Tile8x2 {
    var a0, a1, b0, b1, c0, c1, d0, d1: V
    var e0, e1, f0, f1, g0, g1, h0, h1: V

    @inline(__always) init() {
      let z = V(repeating: 0)
      a0 = z; a1 = z; b0 = z; b1 = z
      c0 = z; c1 = z; d0 = z; d1 = z
      e0 = z; e1 = z; f0 = z; f1 = z
      g0 = z; g1 = z; h0 = z; h1 = z
    }

    @inline(__always)
    mutating func run<P: Product>(
      _: P.Type, _ panel: Floats, _ panelStride: Int, _ rows: Floats, _ rowStride: Int, _ step: Int, _ count: Int
    ) {
      var p = panel, b = rows, i = count
      repeat {
        let v0 = load(p), v1 = load(p + 1 &* lanes)
        let x0 = splat(b[0])
        a0 = P.add(a0, v0, x0); a1 = P.add(a1, v1, x0)
        let x1 = splat(b[rowStride])
        b0 = P.add(b0, v0, x1); b1 = P.add(b1, v1, x1)
        let x2 = splat(b[2 &* rowStride])
        c0 = P.add(c0, v0, x2); c1 = P.add(c1, v1, x2)
        let x3 = splat(b[3 &* rowStride])
        d0 = P.add(d0, v0, x3); d1 = P.add(d1, v1, x3)
        let x4 = splat(b[4 &* rowStride])
        e0 = P.add(e0, v0, x4); e1 = P.add(e1, v1, x4)
        let x5 = splat(b[5 &* rowStride])
        f0 = P.add(f0, v0, x5); f1 = P.add(f1, v1, x5)
        let x6 = splat(b[6 &* rowStride])
        g0 = P.add(g0, v0, x6); g1 = P.add(g1, v1, x6)
        let x7 = splat(b[7 &* rowStride])
        h0 = P.add(h0, v0, x7); h1 = P.add(h1, v1, x7)
        p += panelStride
        b += step
        i &-= 1
      } while i != 0
    }

    @inline(__always) func write(_ p: MutableFloats, _ stride: Int, adding: Bool) {
      var q = p
      put(q, a0, adding: adding)
      put(q + 1 &* lanes, a1, adding: adding)
      q += stride
      put(q, b0, adding: adding)
      put(q + 1 &* lanes, b1, adding: adding)
      q += stride
      put(q, c0, adding: adding)
      put(q + 1 &* lanes, c1, adding: adding)
      q += stride
      put(q, d0, adding: adding)
      put(q + 1 &* lanes, d1, adding: adding)
      q += stride
      put(q, e0, adding: adding)
      put(q + 1 &* lanes, e1, adding: adding)
      q += stride
      put(q, f0, adding: adding)
      put(q + 1 &* lanes, f1, adding: adding)
      q += stride
      put(q, g0, adding: adding)
      put(q + 1 &* lanes, g1, adding: adding)
      q += stride
      put(q, h0, adding: adding)
      put(q + 1 &* lanes, h1, adding: adding)
    }
  }

  /// 16 rows × 16 columns, likewise.
  struct Tile16x1 {
    var a0, b0, c0, d0: V
    var e0, f0, g0, h0: V
    var i0, j0, k0, l0: V
    var m0, n0, o0, p0: V

    @inline(__always) init() {
      let z = V(repeating: 0)
      a0 = z; b0 = z; c0 = z; d0 = z
      e0 = z; f0 = z; g0 = z; h0 = z
      i0 = z; j0 = z; k0 = z; l0 = z
      m0 = z; n0 = z; o0 = z; p0 = z
    }

    @inline(__always)
    mutating func run<P: Product>(
      _: P.Type, _ panel: Floats, _ panelStride: Int, _ rows: Floats, _ rowStride: Int, _ step: Int, _ count: Int
    ) {
      var p = panel, b = rows, i = count
      repeat {
        let v0 = load(p)
        let x0 = splat(b[0])
        a0 = P.add(a0, v0, x0)
        let x1 = splat(b[rowStride])
        b0 = P.add(b0, v0, x1)
        let x2 = splat(b[2 &* rowStride])
        c0 = P.add(c0, v0, x2)
        let x3 = splat(b[3 &* rowStride])
        d0 = P.add(d0, v0, x3)
        let x4 = splat(b[4 &* rowStride])
        e0 = P.add(e0, v0, x4)
        let x5 = splat(b[5 &* rowStride])
        f0 = P.add(f0, v0, x5)
        let x6 = splat(b[6 &* rowStride])
        g0 = P.add(g0, v0, x6)
        let x7 = splat(b[7 &* rowStride])
        h0 = P.add(h0, v0, x7)
        let x8 = splat(b[8 &* rowStride])
        i0 = P.add(i0, v0, x8)
        let x9 = splat(b[9 &* rowStride])
        j0 = P.add(j0, v0, x9)
        let x10 = splat(b[10 &* rowStride])
        k0 = P.add(k0, v0, x10)
        let x11 = splat(b[11 &* rowStride])
        l0 = P.add(l0, v0, x11)
        let x12 = splat(b[12 &* rowStride])
        m0 = P.add(m0, v0, x12)
        let x13 = splat(b[13 &* rowStride])
        n0 = P.add(n0, v0, x13)
        let x14 = splat(b[14 &* rowStride])
        o0 = P.add(o0, v0, x14)
        let x15 = splat(b[15 &* rowStride])
        p0 = P.add(p0, v0, x15)
        p += panelStride
        b += step
        i &-= 1
      } while i != 0
    }

    @inline(__always) func write(_ p: MutableFloats, _ stride: Int, adding: Bool) {
      var q = p
      put(q, a0, adding: adding)
      q += stride
      put(q, b0, adding: adding)
      q += stride
      put(q, c0, adding: adding)
      q += stride
      put(q, d0, adding: adding)
      q += stride
      put(q, e0, adding: adding)
      q += stride
      put(q, f0, adding: adding)
      q += stride
      put(q, g0, adding: adding)
      q += stride
      put(q, h0, adding: adding)
      q += stride
      put(q, i0, adding: adding)
      q += stride
      put(q, j0, adding: adding)
      q += stride
      put(q, k0, adding: adding)
      q += stride
      put(q, l0, adding: adding)
      q += stride
      put(q, m0, adding: adding)
      q += stride
      put(q, n0, adding: adding)
      q += stride
      put(q, o0, adding: adding)
      q += stride
      put(q, p0, adding: adding)
    }
  }

  /// 4 rows × 16 columns, for the rest of the rows.
  struct Tile4x1 {
    var a0, b0, c0, d0: V

    @inline(__always) init() {
      let z = V(repeating: 0)
      a0 = z; b0 = z; c0 = z; d0 = z
    }

    @inline(__always)
    mutating func run<P: Product>(
      _: P.Type, _ panel: Floats, _ panelStride: Int, _ rows: Floats, _ rowStride: Int, _ step: Int, _ count: Int
    ) {
      var p = panel, b = rows, i = count
      repeat {
        let v0 = load(p)
        let x0 = splat(b[0])
        a0 = P.add(a0, v0, x0)
        let x1 = splat(b[rowStride])
        b0 = P.add(b0, v0, x1)
        let x2 = splat(b[2 &* rowStride])
        c0 = P.add(c0, v0, x2)
        let x3 = splat(b[3 &* rowStride])
        d0 = P.add(d0, v0, x3)
        p += panelStride
        b += step
        i &-= 1
      } while i != 0
    }

    @inline(__always) func write(_ p: MutableFloats, _ stride: Int, adding: Bool) {
      var q = p
      put(q, a0, adding: adding)
      q += stride
      put(q, b0, adding: adding)
      q += stride
      put(q, c0, adding: adding)
      q += stride
      put(q, d0, adding: adding)
    }
  }
#else
  /// 6 rows × 2 vectors: 12 of 16 registers.
  struct Tile6x2 {
    var a0, a1, b0, b1, c0, c1, d0, d1: V
    var e0, e1, f0, f1: V

    @inline(__always) init() {
      let z = V(repeating: 0)
      a0 = z; a1 = z; b0 = z; b1 = z
      c0 = z; c1 = z; d0 = z; d1 = z
      e0 = z; e1 = z; f0 = z; f1 = z
    }

    @inline(__always)
    mutating func run<P: Product>(
      _: P.Type, _ panel: Floats, _ panelStride: Int, _ rows: Floats, _ rowStride: Int, _ step: Int, _ count: Int
    ) {
      var p = panel, b = rows, i = count
      repeat {
        let v0 = load(p), v1 = load(p + 1 &* lanes)
        let x0 = splat(b[0])
        a0 = P.add(a0, v0, x0); a1 = P.add(a1, v1, x0)
        let x1 = splat(b[rowStride])
        b0 = P.add(b0, v0, x1); b1 = P.add(b1, v1, x1)
        let x2 = splat(b[2 &* rowStride])
        c0 = P.add(c0, v0, x2); c1 = P.add(c1, v1, x2)
        let x3 = splat(b[3 &* rowStride])
        d0 = P.add(d0, v0, x3); d1 = P.add(d1, v1, x3)
        let x4 = splat(b[4 &* rowStride])
        e0 = P.add(e0, v0, x4); e1 = P.add(e1, v1, x4)
        let x5 = splat(b[5 &* rowStride])
        f0 = P.add(f0, v0, x5); f1 = P.add(f1, v1, x5)
        p += panelStride
        b += step
        i &-= 1
      } while i != 0
    }

    @inline(__always) func write(_ p: MutableFloats, _ stride: Int, adding: Bool) {
      var q = p
      put(q, a0, adding: adding)
      put(q + 1 &* lanes, a1, adding: adding)
      q += stride
      put(q, b0, adding: adding)
      put(q + 1 &* lanes, b1, adding: adding)
      q += stride
      put(q, c0, adding: adding)
      put(q + 1 &* lanes, c1, adding: adding)
      q += stride
      put(q, d0, adding: adding)
      put(q + 1 &* lanes, d1, adding: adding)
      q += stride
      put(q, e0, adding: adding)
      put(q + 1 &* lanes, e1, adding: adding)
      q += stride
      put(q, f0, adding: adding)
      put(q + 1 &* lanes, f1, adding: adding)
    }

    /// Maxima of each vector over the rows.
    @inline(__always) var max0: V { isa_max(isa_max(isa_max(a0, b0), isa_max(c0, d0)), isa_max(e0, f0)) }
    @inline(__always) var max1: V { isa_max(isa_max(isa_max(a1, b1), isa_max(c1, d1)), isa_max(e1, f1)) }
  }

  /// 4 rows × 2 vectors, for the rest of the rows.
  struct Tile4x2 {
    var a0, a1, b0, b1, c0, c1, d0, d1: V

    @inline(__always) init() {
      let z = V(repeating: 0)
      a0 = z; a1 = z; b0 = z; b1 = z
      c0 = z; c1 = z; d0 = z; d1 = z
    }

    @inline(__always)
    mutating func run<P: Product>(
      _: P.Type, _ panel: Floats, _ panelStride: Int, _ rows: Floats, _ rowStride: Int, _ step: Int, _ count: Int
    ) {
      var p = panel, b = rows, i = count
      repeat {
        let v0 = load(p), v1 = load(p + 1 &* lanes)
        let x0 = splat(b[0])
        a0 = P.add(a0, v0, x0); a1 = P.add(a1, v1, x0)
        let x1 = splat(b[rowStride])
        b0 = P.add(b0, v0, x1); b1 = P.add(b1, v1, x1)
        let x2 = splat(b[2 &* rowStride])
        c0 = P.add(c0, v0, x2); c1 = P.add(c1, v1, x2)
        let x3 = splat(b[3 &* rowStride])
        d0 = P.add(d0, v0, x3); d1 = P.add(d1, v1, x3)
        p += panelStride
        b += step
        i &-= 1
      } while i != 0
    }

    @inline(__always) func write(_ p: MutableFloats, _ stride: Int, adding: Bool) {
      var q = p
      put(q, a0, adding: adding)
      put(q + 1 &* lanes, a1, adding: adding)
      q += stride
      put(q, b0, adding: adding)
      put(q + 1 &* lanes, b1, adding: adding)
      q += stride
      put(q, c0, adding: adding)
      put(q + 1 &* lanes, c1, adding: adding)
      q += stride
      put(q, d0, adding: adding)
      put(q + 1 &* lanes, d1, adding: adding)
    }

    /// Maxima of each vector over the rows.
    @inline(__always) var max0: V { isa_max(isa_max(a0, b0), isa_max(c0, d0)) }
    @inline(__always) var max1: V { isa_max(isa_max(a1, b1), isa_max(c1, d1)) }
  }

  /// 2 rows × 2 vectors, likewise.
  struct Tile2x2 {
    var a0, a1, b0, b1: V

    @inline(__always) init() {
      let z = V(repeating: 0)
      a0 = z; a1 = z; b0 = z; b1 = z
    }

    @inline(__always)
    mutating func run<P: Product>(
      _: P.Type, _ panel: Floats, _ panelStride: Int, _ rows: Floats, _ rowStride: Int, _ step: Int, _ count: Int
    ) {
      var p = panel, b = rows, i = count
      repeat {
        let v0 = load(p), v1 = load(p + 1 &* lanes)
        let x0 = splat(b[0])
        a0 = P.add(a0, v0, x0); a1 = P.add(a1, v1, x0)
        let x1 = splat(b[rowStride])
        b0 = P.add(b0, v0, x1); b1 = P.add(b1, v1, x1)
        p += panelStride
        b += step
        i &-= 1
      } while i != 0
    }

    @inline(__always) func write(_ p: MutableFloats, _ stride: Int, adding: Bool) {
      var q = p
      put(q, a0, adding: adding)
      put(q + 1 &* lanes, a1, adding: adding)
      q += stride
      put(q, b0, adding: adding)
      put(q + 1 &* lanes, b1, adding: adding)
    }

    /// Maxima of each vector over the rows.
    @inline(__always) var max0: V { isa_max(a0, b0) }
    @inline(__always) var max1: V { isa_max(a1, b1) }
  }
#endif
