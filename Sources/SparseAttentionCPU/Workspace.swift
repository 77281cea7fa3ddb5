import CKernels

/// Packed keys and values of one (batch, key head), and their block means.
struct KeySlot {
  let keys, values: UnsafeMutablePointer<Float>
  /// [paddedK][keyWidth] and [paddedK][valueWidth] float32.
  let meanKeys, meanValues: UnsafeMutablePointer<Float>
  /// The means packed as keys and values of blocks of 64.
  let packedMeanKeys, packedMeanValues: UnsafeMutablePointer<Float>
  /// [paddedK / 64][keyWidth][64] mean keys, transposed and scaled: the panels of coarse attention.
  let coarsePanels: UnsafeMutablePointer<Float>
  /// [paddedK][keyWidth]: variance of each column of a block's keys.
  let keySpread: UnsafeMutablePointer<Float>

  init(_ s: Shape, needs: Needs, _ c: inout Carver) {
    keys = c.floats(s.keyBlocks * s.keyBlockWords)
    values = c.floats(s.keyBlocks * s.valueBlockWords)
    meanKeys = c.floats(s.paddedK * s.keyWidth)
    meanValues = c.floats(s.paddedK * s.valueWidth)
    packedMeanKeys = c.floats(s.paddedK * s.words)
    packedMeanValues = c.floats(s.paddedK * s.valueWidth / s.pack)
    coarsePanels = c.floats(s.paddedK * s.keyWidth)
    keySpread = c.floats(needs.loss ? s.paddedK * s.keyWidth : 0)
  }
}

/// Tables of one (batch, query head).
struct HeadSlot {
  /// [paddedQ][keyWidth].
  let meanQueries: UnsafeMutablePointer<Float>
  /// [paddedQ / 64][words][64] mean queries, transposed and scaled: the panels of excess.
  let queryPanels: UnsafeMutablePointer<Float>
  /// [paddedQ][keyWidth] variances of the columns of a block's queries, and [paddedQ / 64][keyWidth][64] as panels.
  let querySpread, spreadPanels: UnsafeMutablePointer<Float>
  /// [paddedQ][paddedK]: coarse attention; half the variances of scores; the excess that `loss` ranks by.
  let coarse, halfVariance, loss: UnsafeMutablePointer<Float>
  /// [paddedQ].
  let sharpness: UnsafeMutablePointer<Float>
  /// [queryBlocks]: products of queries and keys computed token by token, of the last policy.
  let executed: UnsafeMutablePointer<Int>

  init(_ s: Shape, needs: Needs, _ c: inout Carver) {
    meanQueries = c.floats(needs.coarse ? s.paddedQ * s.keyWidth : 0)
    queryPanels = c.floats(needs.excess ? s.paddedQ * s.words : 0)
    querySpread = c.floats(needs.loss ? s.paddedQ * s.keyWidth : 0)
    spreadPanels = c.floats(needs.loss ? s.paddedQ * s.keyWidth : 0)
    coarse = c.floats(needs.coarse ? s.paddedQ * s.paddedK : 0)
    halfVariance = c.floats(needs.variance ? s.paddedQ * s.paddedK : 0)
    loss = c.floats(needs.loss ? s.paddedQ * s.paddedK : 0)
    sharpness = c.floats(s.paddedQ)
    executed = c.take(s.queryBlocks, of: Int.self)
  }
}

/// What one thread works in.
struct WorkerSlot {
  let panel: isa_panel
  /// [words][64] for each panel of a query block.
  let queries: UnsafeMutablePointer<Float>
  /// [paddedK][64] for each panel: products with the mean keys.
  let meanScores: UnsafeMutablePointer<Float>
  /// [paddedK][64] for each panel, and [64] for each: what ranking by a lost mass leaves for the terms.
  let exponentials, references: UnsafeMutablePointer<Float>
  let packing, bias, shift, square, tile: UnsafeMutablePointer<Float>
  /// [paddedK].
  let row, excess, factors, terms, choosing: UnsafeMutablePointer<Float>
  let flags, list: UnsafeMutablePointer<Int32>
  /// [blockQ][valueWidth] for the probe: exact and approximate rows.
  let exactRows, rows: UnsafeMutablePointer<Float>
  /// [mostAhead]: cache lines that are wanted when a panel is done.
  let ahead: UnsafeMutablePointer<UnsafeRawPointer?>
  static let mostAhead = 4096

  init(_ s: Shape, needs: Needs, _ c: inout Carver) {
    // Five lines between them: what a kernel reads and writes in turn must not agree in the address's lowest 12 bits,
    // by which a load is taken to wait for a store.
    let apart = 80
    queries = c.floats(s.panels * s.words * 64 + apart)
    panel = isa_panel(
      q: queries, s: c.floats(64 * 64 + apart), p: c.floats(64 * 64 + apart), o: c.floats(64 * s.valueWidth + apart),
      m: c.floats(64), l: c.floats(64), x: c.floats(64))
    let means = needs.coarse ? s.paddedK : 0
    meanScores = c.floats(s.panels * means * 64)
    exponentials = c.floats(needs.excess ? s.panels * means * 64 : 0)
    references = c.floats(needs.excess ? s.panels * 64 : 0)
    packing = c.floats(64 * max(s.keyWidth, s.valueWidth) + 128 + 6144)
    bias = c.floats(needs.bias ? 64 * 64 + 4096 : 0)
    shift = c.floats(needs.bias ? 64 : 0)
    square = c.floats(64 * 64)
    tile = c.floats(16 * 64)
    row = c.floats(max(s.paddedK, s.paddedQ))
    excess = c.floats(needs.excess ? s.paddedK : 0)
    factors = c.floats(needs.excess ? s.paddedK : 0)
    terms = c.floats(s.paddedK)
    choosing = c.floats(max(s.paddedK, s.paddedQ) + 64)
    flags = c.take(max(s.paddedK, s.paddedQ), of: Int32.self)
    list = c.take(max(s.paddedK, s.paddedQ), of: Int32.self)
    exactRows = c.floats(needs.probe ? s.blockQ * s.valueWidth : 0)
    rows = c.floats(needs.probe ? s.blockQ * s.valueWidth : 0)
    ahead = c.take(Self.mostAhead, of: UnsafeRawPointer?.self)
  }
}

/// Which tables the policies of a call ask for.
struct Needs {
  var coarse = false
  var variance = false
  var loss = false
  /// Either table of excess.
  var excess: Bool { variance || loss }
  var bias = false
  var probe = false
}
