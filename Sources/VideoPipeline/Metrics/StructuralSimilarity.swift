import Glibc

/// SSIM of Wang et al. (2004): an 11×11 Gaussian window of σ 1.5, K₁ 0.01, K₂ 0.03, range 2, population covariance,
/// mean over the positions where the window lies inside. Pictures smaller than the window get the largest odd one
/// that fits.
struct StructuralSimilarity {
  let height: Int
  let width: Int
  /// One axis of the window; sums to 1.
  private let window: [Double]

  /// Both positive.
  init(height: Int, width: Int) {
    self.height = height
    self.width = width
    let fits = max(1, min(11, height, width))
    let size = fits % 2 == 0 ? fits - 1 : fits
    let weights = (0..<size).map { i in
      let d = Double(i - size / 2) / 1.5
      return exp(-d * d / 2)
    }
    let sum = weights.reduce(0, +)
    window = weights.map { $0 / sum }
  }

  /// - Parameters a, b: rows of `width` values in [−1, 1].
  func mean(_ a: [Double], _ b: [Double]) -> Double {
    let c1 = 0.02 * 0.02
    let c2 = 0.06 * 0.06
    let meanA = smooth(a)
    let meanB = smooth(b)
    let squareA = smooth(a.map { $0 * $0 })
    let squareB = smooth(b.map { $0 * $0 })
    let product = smooth(zip(a, b).map { $0 * $1 })
    var sum = 0.0
    for i in meanA.indices {
      let (ma, mb) = (meanA[i], meanB[i])
      let luminance = (2 * ma * mb + c1) / (ma * ma + mb * mb + c1)
      let variances = squareA[i] - ma * ma + squareB[i] - mb * mb
      sum += luminance * (2 * (product[i] - ma * mb) + c2) / (variances + c2)
    }
    return sum / Double(meanA.count)
  }

  /// Rows, then columns; only whole windows.
  private func smooth(_ values: [Double]) -> [Double] {
    let (rows, columns) = (height - window.count + 1, width - window.count + 1)
    var horizontal = [Double](repeating: 0, count: height * columns)
    for y in 0..<height {
      for (k, weight) in window.enumerated() {
        for x in 0..<columns { horizontal[y * columns + x] += weight * values[y * width + x + k] }
      }
    }
    var result = [Double](repeating: 0, count: rows * columns)
    for y in 0..<rows {
      for (k, weight) in window.enumerated() {
        for x in 0..<columns { result[y * columns + x] += weight * horizontal[(y + k) * columns + x] }
      }
    }
    return result
  }
}
