import CKernels

/// C[r][0..<columns] = (or +=) rows[r]·panel, with `rows` a multiple of 4 and `columns` of 16.
@inline(__always)
func multiply<P: Product>(
  _ product: P.Type, panel: Floats, panelStride: Int, columns: Int, rows: Floats, rowStride: Int, step: Int,
  count: Int, steps: Int, out: MutableFloats, outStride: Int, adding: Bool
) {
  #if ISA_AVX512
    var c = 0
    while c &+ 64 <= columns {
      var r = 0
      while r < count {
        var t = Tile4x4()
        t.run(product, panel + c, panelStride, rows + r &* rowStride, rowStride, step, steps)
        t.write(out + r &* outStride + c, outStride, adding: adding)
        r &+= 4
      }
      c &+= 64
    }
    // The rest of the columns, by tiles that are narrower and taller.
    while c < columns {
      let wide = c &+ 32 <= columns
      var r = 0
      while wide && r &+ 8 <= count {
        var t = Tile8x2()
        t.run(product, panel + c, panelStride, rows + r &* rowStride, rowStride, step, steps)
        t.write(out + r &* outStride + c, outStride, adding: adding)
        r &+= 8
      }
      while !wide && r &+ 16 <= count {
        var t = Tile16x1()
        t.run(product, panel + c, panelStride, rows + r &* rowStride, rowStride, step, steps)
        t.write(out + r &* outStride + c, outStride, adding: adding)
        r &+= 16
      }
      while r < count {
        var t = Tile4x1()
        t.run(product, panel + c, panelStride, rows + r &* rowStride, rowStride, step, steps)
        t.write(out + r &* outStride + c, outStride, adding: adding)
        if wide {
          var u = Tile4x1()
          u.run(product, panel + c + 16, panelStride, rows + r &* rowStride, rowStride, step, steps)
          u.write(out + r &* outStride + c + 16, outStride, adding: adding)
        }
        r &+= 4
      }
      c &+= wide ? 32 : 16
    }
  #else
    var c = 0
    while c < columns {
      var r = 0
      while r &+ 6 <= count {
        var t = Tile6x2()
        t.run(product, panel + c, panelStride, rows + r &* rowStride, rowStride, step, steps)
        t.write(out + r &* outStride + c, outStride, adding: adding)
        r &+= 6
      }
      if r &+ 4 <= count {
        var t = Tile4x2()
        t.run(product, panel + c, panelStride, rows + r &* rowStride, rowStride, step, steps)
        t.write(out + r &* outStride + c, outStride, adding: adding)
        r &+= 4
      }
      if r &+ 2 <= count {
        var t = Tile2x2()
        t.run(product, panel + c, panelStride, rows + r &* rowStride, rowStride, step, steps)
        t.write(out + r &* outStride + c, outStride, adding: adding)
      }
      c &+= 2 &* lanes
    }
  #endif
}

/// Next block's share of lines into L2, spread over the tiles of this one.
@inline(__always) func prefetch(_ p: Floats, _ words: Int) {
  var i = 0
  while i < words {
    isa_prefetch(p + i)
    i &+= 16
  }
}

/// Sᵀ[keys][64] = K·Q for a multiple of 4 keys; the maxima over keys go to `maxima`.
@inline(__always)
func scoreBlock<P: Product>(
  _ product: P.Type, q: Floats, keys: Floats, keyStride: Int, steps: Int, count: Int, s: MutableFloats,
  maxima: MutableFloats, next: Floats, ahead: inout Ahead
) {
  let low = splat(-.infinity)
  #if ISA_AVX512
    var m0 = low
    var m1 = low
    var m2 = low
    var m3 = low
    var j = 0
    while j < count {
      var t = Tile4x4()
      prefetch(next + j &* keyStride, 4 &* keyStride)
      ahead.ask()
      t.run(product, q, 64, keys + j &* keyStride, keyStride, 1, steps)
      t.write(s + j &* 64, 64, adding: false)
      m0 = isa_max(m0, t.max0)
      m1 = isa_max(m1, t.max1)
      m2 = isa_max(m2, t.max2)
      m3 = isa_max(m3, t.max3)
      j &+= 4
    }
    store(maxima, m0)
    store(maxima + 16, m1)
    store(maxima + 32, m2)
    store(maxima + 48, m3)
  #else
    prefetch(next, count &* keyStride)
    var c = 0
    while c < 64 {
      ahead.ask()
      var m0 = low
      var m1 = low
      var j = 0
      while j &+ 6 <= count {
        var t = Tile6x2()
        t.run(product, q + c, 64, keys + j &* keyStride, keyStride, 1, steps)
        t.write(s + j &* 64 + c, 64, adding: false)
        m0 = isa_max(m0, t.max0)
        m1 = isa_max(m1, t.max1)
        j &+= 6
      }
      if j &+ 4 <= count {
        var t = Tile4x2()
        t.run(product, q + c, 64, keys + j &* keyStride, keyStride, 1, steps)
        t.write(s + j &* 64 + c, 64, adding: false)
        m0 = isa_max(m0, t.max0)
        m1 = isa_max(m1, t.max1)
        j &+= 4
      }
      if j &+ 2 <= count {
        var t = Tile2x2()
        t.run(product, q + c, 64, keys + j &* keyStride, keyStride, 1, steps)
        t.write(s + j &* 64 + c, 64, adding: false)
        m0 = isa_max(m0, t.max0)
        m1 = isa_max(m1, t.max1)
      }
      store(maxima + c, m0)
      store(maxima + c + lanes, m1)
      c &+= 2 &* lanes
    }
  #endif
}

/// O[64][width] += Pᵀ·V: starts each tile from zero and adds it once, so the running sum rounds once a block, not a key.
/// V is packed in panels of 64 columns, [capacity/pack][64] each; P is [steps][64].
@inline(__always)
func weighBlock<P: Product>(
  _ product: P.Type, p: Floats, values: Floats, width: Int, capacitySteps: Int, steps: Int, o: MutableFloats,
  next: Floats, ahead: inout Ahead
) {
  var h = 0
  while h < width {
    let columns = width &- h < 64 ? width &- h : 64
    #if ISA_AVX512
      if columns == 64 {
        var q = 0
        while q < 64 {
          prefetch(next + (h &+ q) &* capacitySteps, 4 &* capacitySteps)
          ahead.ask()
          var t = Tile4x4()
          t.run(product, values + h &* capacitySteps, 64, p + q, 1, 64, steps)
          t.write(o + q &* width + h, width, adding: true)
          q &+= 4
        }
        h &+= 64
        continue
      }
    #endif
    multiply(
      product, panel: values + h &* capacitySteps, panelStride: columns, columns: columns, rows: p, rowStride: 1,
      step: 64, count: 64, steps: steps, out: o + h, outStride: width, adding: true)
    h &+= 64
  }
}
