import ONNXGraph

/// The axes of the scores as a mask meets them: exporters reshape the scores to add what differs by window or by item.
public struct ScoresAxes: Hashable, Sendable {
  public var rank: Int
  /// Where the batch is several axes: their lengths.
  public var batch: [Dimension?]

  /// Batch and heads apart, as the operator has them.
  public static let plain = ScoresAxes(rank: 4, batch: [])

  init(rank: Int, batch: [Dimension?]) {
    self.rank = rank
    self.batch = batch
  }

  init(_ shape: [Dimension?]) {
    self.init(rank: shape.count, batch: shape.count > 4 ? Array(shape.dropLast(3)) : [])
  }
}

/// How a mask over scores with several batch axes becomes one over scores with one: axes that are left out, and how
/// often what stays is repeated.
struct MaskPlacement: Equatable {
  /// Leading axes of length one that go.
  var squeezed: Int
  /// The whole shape where several batch axes become one.
  var reshaped: [Int64]?
  var repeats: Int64

  /// - Returns: nil where the lengths are not known, or the mask repeats other than as a whole.
  init?(_ mask: [Dimension?], batch: [Dimension?]) {
    let lead = mask.dropLast(3)
    let own = Array(lead.drop { $0?.value == 1 })
    guard own.count <= batch.count, lead.count <= batch.count else { return nil }
    squeezed = lead.count - own.count
    repeats = 1
    if own.isEmpty {
      // One for all keeps one axis.
      squeezed = max(0, squeezed - 1)
      return
    }
    guard own == Array(batch.suffix(own.count)) else { return nil }
    if own.count > 1 {
      let lengths = mask.suffix(3).map { $0?.value }
      guard lengths.count(where: { $0 == nil }) == 0 else { return nil }
      reshaped = [-1] + lengths.compactMap { $0 }
      squeezed = 0
    }
    for length in batch.dropLast(own.count) {
      guard let length = length?.value, length > 0 else { return nil }
      let (product, overflows) = repeats.multipliedReportingOverflow(by: length)
      guard !overflows else { return nil }
      repeats = product
    }
  }
}
