/// Differences of arrays that are no pictures.
public enum Difference {
  /// ‖a − b‖ / ‖b‖ in float64; nil for other counts. 0 where both are zero.
  public static func relativeL2(_ a: [Float], _ b: [Float]) -> Double? {
    guard a.count == b.count else { return nil }
    var (error, norm) = (0.0, 0.0)
    for (x, y) in zip(a, b) {
      error += (Double(x) - Double(y)) * (Double(x) - Double(y))
      norm += Double(y) * Double(y)
    }
    return error == 0 ? 0 : (error / norm).squareRoot()
  }

  /// max |a − b|; nil for other counts. NaN where any is not a number.
  public static func largest(_ a: [Float], _ b: [Float]) -> Double? {
    guard a.count == b.count else { return nil }
    var largest = 0.0
    for (x, y) in zip(a, b) {
      let difference = abs(Double(x) - Double(y))
      if difference.isNaN { return .nan }
      largest = max(largest, difference)
    }
    return largest
  }
}
